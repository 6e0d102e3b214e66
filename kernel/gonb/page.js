// Connects the page to the kernel: `gonb_comm`, the object that GoNB's widgets and scripts of its users call. It talks
// through Jupyter's server over a socket of its own, since no frontend shows scripts in outputs its own connection.
(() => {
    "use strict";
    const kernel = KERNEL_ID;
    globalThis.gonb_comm?.close?.(1000, "a new connection takes over");

    // Where the server is: pages of Jupyter say so; else it is where the page is.
    let config = {};
    try {
        config = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    } catch {}
    const base = new URL(config.baseUrl ?? document.body.dataset.baseUrl ?? "/", document.location.href);
    base.protocol = base.protocol === "https:" ? "wss:" : "ws:";
    const address = new URL(`api/kernels/${encodeURIComponent(kernel)}/channels`, base);
    if (config.token) {
        address.searchParams.set("token", config.token);
    }

    const id = () => globalThis.crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("-");
    const session = id(), comm = id();
    const socket = new WebSocket(address);
    const listeners = new Map(); // address -> Map of symbol -> callback
    const variables = new Map(); // address -> synced variable
    const waiting = []; // messages until the kernel has answered
    let ready = false;

    function post(type, content) {
        const message = id();
        const header = {msg_id: message, msg_type: type, session, username: "", version: "5.3", date: new Date().toISOString()};
        socket.send(JSON.stringify({header, msg_id: message, msg_type: type, parent_header: {}, metadata: {}, content, channel: "shell", buffers: []}));
    }

    function deliver(where, value) {
        for (const callback of [...(listeners.get(where)?.values() ?? [])]) {
            callback(where, value);
        }
    }

    const gonb_comm = {
        debug: false,

        /** send sends a value to the programs that listen to an address. */
        send(where, value) {
            const data = {address: where, value};
            if (ready) {
                post("comm_msg", {comm_id: comm, data});
            } else {
                waiting.push(data);
            }
        },

        /** subscribe calls back with (address, value) when a program sends; the symbol is for unsubscribe. */
        subscribe(where, callback) {
            const key = Symbol(where);
            if (!listeners.has(where)) {
                listeners.set(where, new Map());
            }
            listeners.get(where).set(key, callback);
            return key;
        },

        unsubscribe(key) {
            for (const [where, callbacks] of listeners) {
                if (callbacks.delete(key) && callbacks.size === 0) {
                    listeners.delete(where);
                }
            }
        },

        /** newSyncedVariable returns the variable of an address, whose value page and programs share. */
        newSyncedVariable(where, value) {
            let variable = variables.get(where);
            if (!variable) {
                variable = synced(where);
                variables.set(where, variable);
            }
            variable.set(value);
            return variable;
        },

        close(code, reason) {
            if (globalThis.gonb_comm === gonb_comm) {
                delete globalThis.gonb_comm;
            }
            socket.close(code ?? 1000, reason);
        },
    };
    globalThis.gonb_comm = gonb_comm;

    function synced(where) {
        const callbacks = new Map();
        let current = null;
        const take = (value) => {
            if (value !== current) {
                current = value;
                callbacks.forEach((callback) => callback(value));
            }
        };
        gonb_comm.subscribe(where, (_, value) => take(value));
        return {
            get: () => current,
            set(value) {
                if (value !== current) {
                    take(value);
                    gonb_comm.send(where, value);
                }
            },
            subscribe(callback) {
                const key = Symbol(where);
                callbacks.set(key, callback);
                return key;
            },
            unsubscribe: (key) => callbacks.delete(key),
        };
    }

    socket.onopen = () => post("comm_open", {comm_id: comm, target_name: "gonb_comm", kernel_id: kernel, data: {}});
    socket.onclose = () => globalThis.gonb_comm === gonb_comm && delete globalThis.gonb_comm;
    socket.onmessage = (event) => {
        const message = typeof event.data === "string" ? JSON.parse(event.data) : {};
        if (message.content?.comm_id !== comm) {
            return; // messages of cells, and of other comms
        }
        if ((message.msg_type ?? message.header?.msg_type) === "comm_close") {
            gonb_comm.close(1000, "the kernel has closed the comm");
            return;
        }
        const {address: where, value, read_request} = message.content.data ?? {};
        if (read_request) { // a program asks for a shared value
            if (variables.has(where)) {
                gonb_comm.send(where, variables.get(where).get());
            }
            return;
        }
        if (gonb_comm.debug) {
            console.log("gonb_comm:", where, value);
        }
        switch (where) {
            case "#comm_open_ack":
                ready = true;
                waiting.splice(0).forEach((data) => post("comm_msg", {comm_id: comm, data}));
                break;
            case "#heartbeat/ping":
                gonb_comm.send("#heartbeat/pong", true);
                break;
            case "#heartbeat/pong":
                break;
            default:
                deliver(where, value);
        }
    };
})();
