# SPDX-License-Identifier: MIT
#
# arch-micro/server/server.mk: images of servers: one runtime, the parts that place a service, the services' archives.
# Included by arch-micro/domains.mk.

SERVERS := procd vmd fsd blkd ttyd rsd osd

SERVER_SOURCES_procd := proc_part proc_boot proc_answer proc_tasks proc_end procd
SERVER_SERVICES_procd := proc boot
SERVER_SOURCES_vmd := vm_part vmd
SERVER_SERVICES_vmd := vm
SERVER_SOURCES_fsd := fs_part fsd
SERVER_SERVICES_fsd := fs pipe
SERVER_SOURCES_blkd := blk_part blkd
SERVER_SERVICES_blkd := blk virtio
SERVER_SOURCES_ttyd := tty_part ttyd
SERVER_SERVICES_ttyd := tty virtio
SERVER_SOURCES_osd := blk_part tty_part fs_part vm_part proc_part proc_boot proc_answer proc_tasks proc_end osd
SERVER_SERVICES_osd := proc vm fs pipe tty blk virtio boot

# linked by all that have services
SERVER_RUNTIME := $(addprefix arch-micro/server/,start main loop calls serve ask host memory clock log) \
    $(addprefix guest/ring3/,log memory)
SERVER_SOURCES_rsd := rsd
SERVER_RUNTIME_rsd := $(addprefix arch-micro/server/,start clock log) guest/ring3/log

SERVER_LDFLAGS := -nostdlib -static -no-pie -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--build-id=none

# $(1) server, $(2) objects, $(3) archives
define server_image
$(BUILD)/images/micro/$(1).elf: $(2) $(3) $(BUILD)/lib/libguest.a arch-micro/server/server.ld
	@mkdir -p $$(@D)
	$(CC) $(SERVER_LDFLAGS) -T arch-micro/server/server.ld -o $$@ $(2) \
	    -Wl,--start-group $(3) $(BUILD)/lib/libguest.a -Wl,--end-group
ALL += $(BUILD)/images/micro/$(1).elf
endef
server_objects = $(patsubst %,$(BUILD)/guest/%.o,\
    $(or $(SERVER_RUNTIME_$(1)),$(SERVER_RUNTIME)) $(addprefix arch-micro/server/,$(SERVER_SOURCES_$(1))))
server_archives = $(SERVER_SERVICES_$(1):%=$(BUILD)/lib/lib%.a)
$(foreach s,$(SERVERS),$(eval $(call server_image,$(s),$(call server_objects,$(s)),$(call server_archives,$(s)))))
