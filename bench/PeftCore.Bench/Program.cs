using BenchmarkDotNet.Running;
using PeftCore.Bench;

if (args is ["paired-gemm", .. var rest])
{
    PairedGemm.Run(rest);
}
else
{
    BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
}
