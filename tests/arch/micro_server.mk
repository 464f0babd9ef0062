# SPDX-License-Identifier: MIT
#
# tests/arch/micro_server.mk: the servers' runtime on the host, over kernel calls that tests/arch/server/rig.c fakes.

MICRO_SERVER_TESTS := test_micro_server test_micro_requests test_micro_restart
MICRO_SERVER_OBJECTS := $(patsubst %,$(BUILD)/host/arch-micro/server/%.o,main loop calls serve ask host memory clock log) \
    $(patsubst %,$(BUILD)/host/guest/%.o,ring3/log ring3/memory heap format) $(BUILD)/host/tests/arch/server/rig.o
$(BUILD)/host/arch-micro/server/%.o: HOST_CFLAGS += -DSERVER_ON_HOST
$(MICRO_SERVER_TESTS:%=$(BUILD)/tests/arch/%): $(MICRO_SERVER_OBJECTS)
