using System.Diagnostics;
using ILGPU.Backends.PTX;
using PeftCore.Kernels.Ilgpu.Ampere;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Ilgpu;

/// <summary>Products on the tensor cores of compute capability 8.0 and later: their kernels, one for each shape met.</summary>
internal sealed unsafe class MmaGemms(WgmmaKernels kernels) : IDisposable
{
    private readonly Dictionary<MmaShape, nint> _functions = [];
    private readonly Lock _lock = new();

    /// <summary>Queues a product.</summary>
    public void Run(in MmaShape shape, in SplitKSchedule schedule, MmaArgs args)
    {
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        kernels.Launch(Load(shape), schedule.TilesM * schedule.TilesN, schedule.Splits, MmaShape.Threads, MmaShape.SharedBytes, parameters);
    }

    public void Dispose() => kernels.Dispose();

    /// <summary>PTX of one shape, macros as they are.</summary>
    public static string Compile(PTXBackend backend, in MmaShape shape) => (shape.TransposeA, shape.RowMajorB) switch
    {
        (false, false) => Compile<MmaColumnMajorB>(backend),
        (false, true) => Compile<MmaRowMajorB>(backend),
        (true, false) => Compile<MmaTransposedAColumnMajorB>(backend),
        _ => Compile<MmaTransposedARowMajorB>(backend),
    };

    private static string Compile<TLayout>(PTXBackend backend) where TLayout : struct, IMmaLayout =>
        WgmmaKernels.Compile<MmaGemm<TLayout>, MmaArgs>(backend, MmaShape.Threads, MmaShape.BlocksPerProcessor);

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in MmaShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                long start = Stopwatch.GetTimestamp();
                function = kernels.Load(new MmaPtx(shape).Expand(Compile(kernels.Backend, shape)), MmaShape.SharedBytes, start);
                _functions.Add(shape, function);
            }
            return function;
        }
    }
}
