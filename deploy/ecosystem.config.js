// The miner, the validator and the task server under pm2. In the folder that holds your .env:
//
//   export HF_REPO=alice/web BT_WALLET=alice BT_WALLET_HOTKEY=miner
//   PM2_KILL_SIGNAL=SIGTERM pm2 start deploy/ecosystem.config.js --only finest-miner
//   export VALIDATOR_FLAGS="--parallel 2"; pm2 start deploy/ecosystem.config.js --only finest-validator
//   pm2 logs finest-miner        pm2 stop finest-miner        pm2 save && pm2 startup
//
// `finest` is found in PATH (activate the virtual environment first), or where FINEST names it.
// PM2_KILL_SIGNAL counts when pm2's own daemon starts (`pm2 kill` ends it). Without it pm2 sends Ctrl-C's signal, after
// which a miner would finish its task; pm2 kills it after kill_timeout instead. Nothing is lost either way: the journal
// goes on at the same step.
//
// After exit status 78 (a person is needed: not registered, no token, ...) and 2 (a flag that is none) nothing is
// restarted, though pm2 7 shows "waiting restart". 0 is not in the list, because pm2 takes a process that the kernel killed for one that ended with 0.

const finest = process.env.FINEST || "finest";

const common = {
  script: finest,
  interpreter: "none",
  cwd: process.cwd(),
  autorestart: true,
  stop_exit_codes: [2, 78],
  exp_backoff_restart_delay: 1000, // milliseconds; grows to 15 s, and begins anew after a while of work
  max_restarts: 1000000, // an outage of days is no reason to give up
  kill_timeout: 25000, // milliseconds; a miner ends in two seconds, a server answers what it has begun (20 s)
  time: true, // each line with its time
};

module.exports = {
  apps: [
    {
      ...common,
      name: "finest-miner",
      args: ["mine", "--hf-repo", process.env.HF_REPO || "finest"],
    },
    {
      ...common,
      name: "finest-validator",
      args: ["validate", ...(process.env.VALIDATOR_FLAGS || "").split(/\s+/).filter(Boolean)],
    },
    {
      ...common,
      name: "finest-tasks",
      stop_exit_codes: [2, 9, 78], // 2: port, DATABASE_URL, too; 9: no hotkey
      args: ["serve", "--host", "127.0.0.1", "--port", "8091"],
    },
  ],
};
