/* A site's policy of passwords, as a module of PostgreSQL: it takes no verifiers.
 *
 * The server's headers are not needed: what is used of them is declared here, for the
 * versions that the tests run with. A server refuses a module whose block of constants
 * is not its own, so that a version with another layout is told and not crashed. */
#include <stdbool.h>
#include <stdint.h>

typedef struct {
	int len;
	int version, funcmaxargs, indexmaxkeys, namedatalen, float8byval;
	char abi_extra[32];
#if VERSION >= 18
	const char *name, *module_version;
#endif
} magic_block;

const magic_block *Pg_magic_func(void)
{
	static const magic_block block = {
		.len = sizeof(magic_block),
		.version = VERSION * 100,
		.funcmaxargs = 100,
		.indexmaxkeys = 32,
		.namedatalen = 64,
		.float8byval = 1,
		.abi_extra = "PostgreSQL",
	};
	return &block;
}

typedef void (*check_password)(const char *user, const char *shadow, int type, uintptr_t until, bool until_is_null);
extern check_password check_password_hook;
extern bool errstart(int level, const char *domain);
extern int errcode(int sqlstate);
extern int errmsg(const char *format, ...);
extern void errfinish(const char *file, int line, const char *function);

#define SIX_BITS(character) (((character) - '0') & 0x3f)
#define INVALID_PARAMETER_VALUE (SIX_BITS('2') | SIX_BITS('2') << 6 | SIX_BITS('0') << 12 | SIX_BITS('2') << 18 | SIX_BITS('3') << 24)

static void refuse_verifiers(const char *user, const char *shadow, int type, uintptr_t until, bool until_is_null)
{
	const int error = 21, plaintext = 0;
	if (type != plaintext && errstart(error, 0)) {
		errcode(INVALID_PARAMETER_VALUE);
		errmsg("this site takes no verifiers");
		errfinish("policy.c", __LINE__, __func__);
	}
}

void _PG_init(void)
{
	check_password_hook = refuse_verifiers;
}
