# SPDX-License-Identifier: MIT
#
# tests/arch/micro_server.mk: the servers' runtime on the host, over kernel calls that test_micro_server.c fakes.

MICRO_SERVER_OBJECTS := $(patsubst %,$(BUILD)/host/arch-micro/server/%.o,main loop calls serve ask host memory clock log) \
    $(BUILD)/host/guest/heap.o $(BUILD)/host/guest/format.o
$(BUILD)/host/arch-micro/server/%.o: HOST_CFLAGS += -DSERVER_ON_HOST
$(BUILD)/tests/arch/test_micro_server: $(MICRO_SERVER_OBJECTS)
