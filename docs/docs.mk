# SPDX-License-Identifier: MIT
#
# docs/docs.mk: the book. docs/*.md are its templates (tools/book.awk says what is in them), readable as they are;
# build/docs/ has it with the figures of the runs that it names. The man page needs no run.

BOOK := $(wildcard docs/*.md)
MAN_PAGE := $(BUILD)/docs/ringside.1

$(MAN_PAGE): docs/ringside.1 tools/book.awk tools/manual.sh $(BUILD)/ringside
	@mkdir -p $(@D)
	awk -v out=$(@D) -f tools/book.awk $<

ALL += $(MAN_PAGE)

.PHONY: do-docs
do-docs: build
	@mkdir -p $(BUILD)/docs/new
	awk -v out=$(BUILD)/docs/new -v ringside=$(BUILD)/ringside -v predictions=docs/predictions.def -f tools/book.awk $(BOOK)
	mv $(BUILD)/docs/new/*.md $(BUILD)/docs/
	rm -r $(BUILD)/docs/new
	@echo "$(BUILD)/docs/README.md: the book, with figures"
