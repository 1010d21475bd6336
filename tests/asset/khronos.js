// Prints the Khronos validator's report on a glTF file: node khronos.js FOLDER FILE, where npm put it into FOLDER.
const fs = require("fs");
const path = require("path");
const [folder, file] = process.argv.slice(2);
const validator = require(path.join(folder, "node_modules", "gltf-validator"));
validator
  .validateBytes(new Uint8Array(fs.readFileSync(file)), { maxIssues: 0 })
  .then((report) => console.log(JSON.stringify(report)));
