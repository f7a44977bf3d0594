//! Tests against real servers. This binary owns the servers: it starts them at the first
//! need, and their watchdogs end them with it.
//!
//! Each test works in a store, with roles and with a home folder of its own, so that all
//! may run side by side on the one shared server of each engine.

/// One test of each name for MySQL, and one for MariaDB.
macro_rules! for_both {
    ($($name:ident)*) => {
        mod mysql {
            $(#[test] fn $name() { super::$name(crate::shop::ShopEngine::MySql); })*
        }
        mod mariadb {
            $(#[test] fn $name() { super::$name(crate::shop::ShopEngine::MariaDb); })*
        }
    };
}

mod adoption;
mod agent_mishaps;
mod agent_retire;
mod agent_schedules;
mod bad_input;
mod cases;
mod console;
mod console_drain;
mod console_retire;
mod console_rollback;
mod console_schedules;
mod console_sinks;
mod consumer;
mod contract;
mod crash;
mod database_room;
mod demo;
mod doctor;
mod document_rollback;
mod documents;
mod drain;
mod drain_agent;
mod drain_gate;
mod drain_logins;
mod drain_pool;
mod drain_shown;
mod editing;
mod engines;
mod engines_faults;
mod engines_leak;
mod environment_run;
mod failing_disk;
mod gate;
mod harness;
mod identity;
mod idle;
mod keyring;
mod keys;
mod leak;
mod monitor;
mod mysql_admission;
mod mysql_down;
mod mysql_nodes;
mod mysql_owners;
mod mysql_passwords;
mod mysql_scenarios;
mod mysql_several;
mod mysql_tls;
mod mysql_users;
mod mysql_world;
mod naming;
mod overlaps;
mod ownership;
mod pooler;
mod retire;
mod retiring_mysql;
mod retiring_postgres;
mod rollback;
mod rollback_down;
mod rollback_import;
mod rotation;
mod rotation_report;
mod sandbox_mysql;
mod sandbox_room;
mod scenarios;
mod scenarios_down;
mod scenarios_nodes;
mod scenarios_pooler;
mod scenarios_synchronous;
mod scenes;
mod schedule;
mod screenshots;
mod several;
mod shop;
mod signals;
mod sinks;
mod soak;
mod storm;
mod tampering;
mod terminal;
mod two_pairs;
mod verification;
mod verify;
mod watching_mysql;
mod watching_postgres;
mod ways_back;
mod ways_back_after;
mod webhook_receiver;
mod webhooks;
