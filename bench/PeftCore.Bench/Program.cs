using BenchmarkDotNet.Running;
using PeftCore.Bench;

if (args is ["paired-gemm", .. var rest])
{
    PairedGemm.Run(rest);
}
else if (args is ["paired-rows", .. var shapes])
{
    PairedRows.Run(shapes);
}
else
{
    BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
}
