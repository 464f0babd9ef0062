/* SPDX-License-Identifier: MIT
 *
 * guest/settings.h: switches from the command line (--set KEY=VALUE), as boot_info brings them: "pcid=on pti=off".
 */
#ifndef RINGSIDE_GUEST_SETTINGS_H
#define RINGSIDE_GUEST_SETTINGS_H

#include <stdbool.h>

/* Whether `key` is on; `otherwise` when the settings do not name it, or with another value than on or off. */
bool settings_on(const char *settings, const char *key, bool otherwise);

#endif
