// tests/deploy: whether standard input is a bill of materials as CycloneDX 1.5 has it; what is wrong with it, if not.
'use strict';
const { Spec, Validation } = require('@cyclonedx/cyclonedx-library');

new Validation.JsonStrictValidator(Spec.Version.v1dot5)
	.validate(require('fs').readFileSync(0, 'utf8'))
	.then((fault) => {
		if (fault === null) return;
		console.log(fault);
		process.exit(1);
	});
