using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

namespace PeftCore.Ilgpu;

/// <summary>The kernels of <see cref="SkinnyGemmLauncher"/>, loaded once for each shape.</summary>
internal sealed unsafe class SkinnyGemmKernels(PtxLoader loader)
{
    private readonly Dictionary<SkinnyGemmShape, nint> _functions = [];
    private readonly Lock _lock = new();
    private string? _compiled;

    /// <summary>Queues a pass.</summary>
    public void Run(in SkinnyGemmSchedule schedule, SkinnyGemmArgs args)
    {
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        loader.LaunchEarly(Load(schedule.Shape), schedule.Blocks, SkinnyGemmShape.Threads, schedule.Shape.SharedBytes, parameters);
    }

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in SkinnyGemmShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                _compiled ??= PtxLoader.Compile<SkinnyGemmKernel, SkinnyGemmArgs>(loader.Backend, SkinnyGemmShape.Threads, 1);
                function = loader.Load(new SkinnyGemmPtx(shape).Expand(_compiled), shape.SharedBytes);
                _functions.Add(shape, function);
            }
            return function;
        }
    }
}
