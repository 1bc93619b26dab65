/* A plugin for qemu-aarch64 that counts the guest's instructions in all threads.
 *
 *     cc -O2 -shared -fPIC -o count.so count_instructions.c
 *     QEMU_PLUGIN=file=./count.so FOLDER/python ...
 *
 * It declares the functions that it calls: Debian has no package with qemu-plugin.h.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct block;

extern size_t qemu_plugin_tb_n_insns(const struct block *block);
extern void qemu_plugin_register_vcpu_tb_trans_cb(
    plugin_id id, void (*translated)(plugin_id, struct block *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(
    struct block *block, void (*executed)(unsigned int, void *), int flags, void *data);
extern void qemu_plugin_register_atexit_cb(
    plugin_id id, void (*ended)(plugin_id, void *), void *data);

#define EXPORT __attribute__((visibility("default")))

/* Version of the plugin interface of qemu 4.2 to 8.2. */
EXPORT int qemu_plugin_version = 1;

static uint64_t count;

static void executed(unsigned int cpu, void *instructions)
{
    (void)cpu;
    __atomic_add_fetch(&count, (uint64_t)(uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void translated(plugin_id id, struct block *block)
{
    void *instructions = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, instructions);
}

static void ended(plugin_id id, void *data)
{
    (void)id;
    (void)data;
    fprintf(stderr, "instructions: %" PRIu64 "\n", count);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    (void)argc;
    (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
