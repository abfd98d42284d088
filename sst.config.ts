/// <reference path="./.sst/platform/config.d.ts" />
// What `npx sst deploy --stage NAME` makes: see infra/ and docs/deploy.md.

export default $config({
  app(input) {
    const production = input.stage === 'production';
    return {
      name: 'versamammo',
      home: 'aws',
      removal: production ? 'retain' : 'remove',
      protect: production,
      providers: { aws: { region: (process.env.AWS_REGION ?? 'eu-central-1') as aws.Region } },
    };
  },
  async run() {
    const { deploy } = await import('./infra/index.ts');
    return deploy();
  },
});
