using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Running;
using PeftCore.Bench;

switch (args)
{
    case ["paired-gemm", .. var sizes]:
        PairedGemm.Run(sizes);
        return 0;
    case ["paired-rows", .. var shapes]:
        PairedRows.Run(shapes);
        return 0;
    case ["roofline", .. var threads]:
        Roofline.Run(threads);
        return 0;
    case ["peers", .. var rest]:
        return PeerProducts.Run(rest);
    case ["serve-load", .. var rest]:
        return ServeLoad.Run(rest);
    default:
        // BenchmarkDotNet builds the libraries again, which takes longer than its default of two minutes on a small machine.
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, ManualConfig.Create(DefaultConfig.Instance)
            .WithBuildTimeout(TimeSpan.FromMinutes(15)));
        return 0;
}
