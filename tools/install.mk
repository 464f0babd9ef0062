# SPDX-License-Identifier: MIT
#
# tools/install.mk: make install and make uninstall. What ringside reads goes into one folder that looks like this one
# (sim/cli/home.c finds it above the executable), so it can be moved as a whole:
#
#   PREFIX/lib/ringside     executable, sim/cpus, build/images, build/programs/root, plots; libunicorn, if it was unpacked
#                           for us
#   PREFIX/bin/ringside     a link to the executable
#   PREFIX/share            the book (with figures if `make docs` has made them), man page, completions
#
# Both take PREFIX= and DESTDIR=. uninstall leaves nothing but folders that hold something of others.

PREFIX ?= /usr/local
DESTDIR ?=

INSTALL_TOP = $(DESTDIR)$(PREFIX)
INSTALL_HOME = $(INSTALL_TOP)/lib/ringside
INSTALL_BOOK = $(INSTALL_TOP)/share/doc/ringside
INSTALL_FILES = $(INSTALL_TOP)/bin/ringside $(INSTALL_TOP)/share/man/man1/ringside.1 \
    $(INSTALL_TOP)/share/bash-completion/completions/ringside $(INSTALL_TOP)/share/zsh/site-functions/_ringside
INSTALL_FOLDERS = $(addprefix $(INSTALL_TOP)/,lib bin share/doc share/man/man1 share/man share/bash-completion/completions \
    share/bash-completion share/zsh/site-functions share/zsh share) $(INSTALL_TOP)
INSTALL_IMAGES = $(filter-out $(BUILD)/images/tests/% $(BUILD)/images/guest/%,$(wildcard $(BUILD)/images/*/*.elf))

.PHONY: install uninstall
install: build
	rm -rf '$(INSTALL_HOME)' '$(INSTALL_BOOK)'
	install -d '$(INSTALL_HOME)/sim/cpus' '$(INSTALL_HOME)/build/programs' '$(INSTALL_BOOK)'
	install $(BUILD)/ringside '$(INSTALL_HOME)/ringside'
	install -m 644 sim/cpus/*.ini '$(INSTALL_HOME)/sim/cpus'
	for image in $(INSTALL_IMAGES:$(BUILD)/%=%); do \
	    install -D -m 644 $(BUILD)/$$image '$(INSTALL_HOME)'/build/$$image; done
	cp -a $(BUILD)/programs/root '$(INSTALL_HOME)/build/programs/'
	for script in $(wildcard plots/*.gp); do install -D -m 644 $$script '$(INSTALL_HOME)'/$$script; done
	for library in $(wildcard $(BUILD)/deps/unicorn/usr/lib/*/libunicorn.so.*); do \
	    cp -a $$library '$(INSTALL_HOME)/'; done
	install -d '$(INSTALL_TOP)/bin'
	ln -sfn ../lib/ringside/ringside '$(INSTALL_TOP)/bin/ringside'
	if [ -e $(BUILD)/docs/README.md ]; then install -m 644 $(BUILD)/docs/*.md '$(INSTALL_BOOK)'; \
	    else install -m 644 docs/*.md '$(INSTALL_BOOK)'; fi
	install -D -m 644 $(MAN_PAGE) '$(INSTALL_TOP)/share/man/man1/ringside.1'
	install -D -m 644 tools/completion/ringside.bash '$(INSTALL_TOP)/share/bash-completion/completions/ringside'
	install -D -m 644 tools/completion/_ringside '$(INSTALL_TOP)/share/zsh/site-functions/_ringside'
	@echo '$(INSTALL_TOP)/bin/ringside'

uninstall:
	rm -rf '$(INSTALL_HOME)' '$(INSTALL_BOOK)'
	rm -f $(foreach file,$(INSTALL_FILES),'$(file)')
	for folder in $(foreach folder,$(INSTALL_FOLDERS),'$(folder)'); do \
	    rmdir --ignore-fail-on-non-empty "$$folder" 2>/dev/null || true; done
