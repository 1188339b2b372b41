using System.Diagnostics;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

namespace PeftCore.Ilgpu;

/// <summary>Products of tall matrices with skinny ones: their kernels, one for each shape met.</summary>
internal sealed unsafe class SkinnyGemms(WgmmaKernels kernels)
{
    private readonly Dictionary<SkinnyGemmShape, nint> _functions = [];
    private readonly Lock _lock = new();
    private string? _compiled;

    /// <summary>Queues a pass.</summary>
    public void Run(in SkinnyGemmSchedule schedule, SkinnyGemmArgs args)
    {
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        kernels.LaunchEarly(Load(schedule.Shape), schedule.Blocks, SkinnyGemmShape.Threads, schedule.Shape.SharedBytes, parameters);
    }

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in SkinnyGemmShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                long start = Stopwatch.GetTimestamp();
                _compiled ??= kernels.Compile<SkinnyGemmKernel, SkinnyGemmArgs>(SkinnyGemmShape.Threads, 1);
                function = kernels.Load(new SkinnyGemmPtx(shape).Expand(_compiled), shape.SharedBytes, start);
                _functions.Add(shape, function);
            }
            return function;
        }
    }
}
