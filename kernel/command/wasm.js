// Runs a Go program that was compiled for the browser, in the output of its cell.
async (o) => {
    const box = document.getElementById(o.div);
    try {
        let base = "/";
        try {
            base = JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl ?? base;
        } catch {}
        const files = `${base}${o.files}/`;
        if (o.support) {
            (0, eval)(o.support); // defines globalThis.Go
        } else if (!globalThis.Go) {
            await new Promise((done, failed) => {
                const script = document.createElement("script");
                script.src = files + "wasm_exec.js";
                script.onload = done;
                script.onerror = () => failed(new Error(`${script.src} was not loaded`));
                document.head.append(script);
            });
        }
        const go = new globalThis.Go();
        go.argv = o.argv;
        let answer;
        if (o.data) {
            const packed = Uint8Array.from(atob(o.data), (c) => c.charCodeAt(0));
            answer = new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
        } else {
            answer = await fetch(`${files}${o.program}?${Date.now()}`);
            if (!answer.ok) {
                throw new Error(`${files}${o.program}: ${answer.status}`);
            }
        }
        const {instance} = await WebAssembly.instantiate(await answer.arrayBuffer(), go.importObject);
        await go.run(instance);
    } catch (error) {
        box.append(`%wasm: ${error}`);
    }
}
