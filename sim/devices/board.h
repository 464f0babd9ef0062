/* SPDX-License-Identifier: MIT
 *
 * sim/devices/board.h: the devices of a machine, and a program's way to its ports.
 */
#ifndef RINGSIDE_SIM_BOARD_H
#define RINGSIDE_SIM_BOARD_H

#include "sim/cpu.h"

/* board.c: devices on the bus, ports, APICs */
bool board_open(struct machine *m, char error[MACHINE_ERROR_MAX]);
void board_close(struct machine *m);
bool board_attach(struct cpu *cpu, char error[MACHINE_ERROR_MAX]);
/* This #DB is the end of a refused port access: the registers are put back, #GP(0) is due. */
bool board_refuse_port(struct cpu *cpu);
/* Code that was just decoded: guards its instructions that the engine must not execute: at ring 3 those for ports, and
 * RDRAND, RDSEED, RDPID. true: there are new guards, so it must be translated again before it runs. */
bool board_guard_instructions(struct cpu *cpu, uint64_t pc, uint64_t physical, const uint8_t *code, uint32_t size);

#endif
