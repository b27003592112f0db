/* SPDX-License-Identifier: GPL-2.0-only */
/* The functions behind the verbs. Each returns what the program ends with. */
#ifndef LVRCTL_VERB_H
#define LVRCTL_VERB_H

#include "args.h"

#define VERB(name) int verb_##name(const struct verb *verb, int argc, char **argv)

VERB(create);
VERB(start);
VERB(stop);
VERB(status);
VERB(promote);
VERB(demote);
VERB(failover);
VERB(connect);
VERB(disconnect);
VERB(wait);
VERB(events);
VERB(log);
VERB(destroy);
VERB(keygen);

#endif
