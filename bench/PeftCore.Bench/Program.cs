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
    case ["peers", .. var rest]:
        return PeerProducts.Run(rest);
    default:
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
        return 0;
}
