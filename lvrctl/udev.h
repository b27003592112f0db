/* SPDX-License-Identifier: GPL-2.0-only */
/* udev: let it look at devices again. Where it does not run nothing is done. */
#ifndef LVRCTL_UDEV_H
#define LVRCTL_UDEV_H

#include "core/port.h"

/* false: nobody will look */
bool udev_look(u32 major, u32 minor);
/* wait until udev has no work any more, for some seconds at most */
void udev_settle(void);

#endif
