using System.Diagnostics;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

namespace PeftCore.Ilgpu;

/// <summary>Passes over tall matrices with thin ones: their kernels, one for each shape met.</summary>
internal sealed unsafe class ThinPasses(WgmmaKernels kernels)
{
    private readonly Dictionary<ThinShape, nint> _functions = [];
    private readonly Lock _lock = new();
    private string? _compiled;

    /// <summary>Queues a pass.</summary>
    public void Run(in ThinPlan plan, ThinArgs args)
    {
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        kernels.LaunchEarly(Load(plan.Shape), plan.Groups, ThinShape.Threads, plan.Shape.SharedBytes, parameters);
    }

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in ThinShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                long start = Stopwatch.GetTimestamp();
                _compiled ??= kernels.Compile<ThinPass, ThinArgs>(ThinShape.Threads, 1);
                function = kernels.Load(new ThinPtx(shape).Expand(_compiled), shape.SharedBytes, start);
                _functions.Add(shape, function);
            }
            return function;
        }
    }
}
