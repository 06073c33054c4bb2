// Build the page: `npm run build` writes ../src/diabolo/page/built/. `--out FOLDER` writes somewhere else.
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const web = join(dirname(fileURLToPath(import.meta.url)), "..");
const at = process.argv.indexOf("--out");
const out = at < 0 ? join(web, "..", "src", "diabolo", "page", "built") : process.argv[at + 1];

// Scripts only of the page itself; WebAssembly and blob: for onnxruntime-web; requests only to where the page is from.
const POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:",
  "style-src 'unsafe-inline'",
  "img-src data: blob:",
  "connect-src 'self' data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const built = await build({ root: web, configFile: join(web, "vite.config.ts"), logLevel: "warn", build: { write: false } });
const files = Object.fromEntries(built.output.map((file) => [file.fileName, file.code ?? file.source]));
const script = files["page.js"].replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const style = String(files["page.css"]);

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Diabolo</title>
<style>${style}</style>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript: it computes with the model.</noscript>
<!--DIABOLO-->
<script type="module">${script}</script>
</body>
</html>
`;

await mkdir(out, { recursive: true });
await writeFile(join(out, "page.html"), page);
const runtime = join(web, "node_modules", "onnxruntime-web", "dist");
for (const [name, file] of [
  ["onnxruntime.js.gz", "ort.wasm.bundle.min.mjs"],
  ["onnxruntime.wasm.gz", "ort-wasm-simd-threaded.wasm"],
]) {
  await writeFile(join(out, name), gzipSync(await readFile(join(runtime, file)), { level: 9 }));
}
await copyFile(join(web, "THIRD-PARTY.txt"), join(out, "THIRD-PARTY.txt"));
console.log(`${out}: page.html ${page.length} bytes, ${gzipSync(page).length} compressed`);
