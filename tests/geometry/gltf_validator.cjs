// Prints the Khronos validator's report on the glTF file named on the command line, as JSON.
const { readFileSync } = require("fs");
const { validateBytes } = require(process.argv[2] + "/gltf-validator");
validateBytes(new Uint8Array(readFileSync(process.argv[3]))).then((report) => console.log(JSON.stringify(report)));
