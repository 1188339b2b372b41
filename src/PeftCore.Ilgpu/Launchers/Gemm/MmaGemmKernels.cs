using ILGPU.Backends.PTX;
using PeftCore.Kernels.Ilgpu.Ampere;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Ilgpu;

/// <summary>The kernels of <see cref="MmaGemmLauncher"/>, loaded once for each shape.</summary>
internal sealed unsafe class MmaGemmKernels(PtxLoader loader)
{
    private readonly Dictionary<MmaShape, nint> _functions = [];
    private readonly Lock _lock = new();

    /// <summary>Queues a product.</summary>
    public void Run(in MmaShape shape, in SplitKSchedule schedule, MmaArgs args)
    {
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        loader.Launch(Load(shape), schedule.TilesM * schedule.TilesN, schedule.Splits, MmaShape.Threads, MmaShape.SharedBytes, parameters);
    }

    /// <summary>The PTX of one shape with its macros not yet expanded.</summary>
    public static string Compile(PTXBackend backend, in MmaShape shape) => (shape.TransposeA, shape.RowMajorB) switch
    {
        (false, false) => Compile<MmaColumnMajorB>(backend),
        (false, true) => Compile<MmaRowMajorB>(backend),
        (true, false) => Compile<MmaTransposedAColumnMajorB>(backend),
        _ => Compile<MmaTransposedARowMajorB>(backend),
    };

    private static string Compile<TLayout>(PTXBackend backend) where TLayout : struct, IMmaLayout =>
        PtxLoader.Compile<MmaGemm<TLayout>, MmaArgs>(backend, MmaShape.Threads, MmaShape.BlocksPerProcessor);

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public nint Load(in MmaShape shape)
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(shape, out nint function))
            {
                function = loader.Load(new MmaPtx(shape).Expand(Compile(loader.Backend, shape)), MmaShape.SharedBytes);
                _functions.Add(shape, function);
            }
            return function;
        }
    }
}
