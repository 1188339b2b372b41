using System.Diagnostics;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu;

/// <summary>Kernels that ILGPU compiles but cannot load, for it names no target newer than sm_80: their PTX is completed here and handed
/// to the driver.</summary>
internal sealed class WgmmaKernels(Context context, CudaStream stream, Accelerator accelerator) : IDisposable
{
    private const int Threads = 256;

    private readonly PTXBackend _backend = NewBackend(context);
    private readonly Dictionary<Type, nint> _functions = [];
    private readonly Lock _lock = new();

    /// <summary>How long loading took so far.</summary>
    public TimeSpan LoadTime { get; private set; }

    public static PTXBackend NewBackend(Context context) => new(context, CudaArchitecture.SM_90, CudaInstructionSet.ISA_80, null!);

    /// <summary>PTX for sm_90a.</summary>
    public static string Compile<TKernel, TArgs>(PTXBackend backend)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        Action<TArgs> run = TKernel.Run;
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(run.Method);
        return WgmmaPtx.Expand(((PTXCompiledKernel)backend.Compile(entry, new KernelSpecialization(Threads, 1))).PTXAssembly);
    }

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public void Load<TShape>() where TShape : struct, IWgmmaShape
    {
        accelerator.Bind();
        _ = Function<WgmmaGemm<TShape>>(WgmmaPtx.SharedBytes(TShape.TileN));
    }

    public unsafe void Run<TShape>(int groups, int parts, WgmmaArgs args) where TShape : struct, IWgmmaShape
    {
        accelerator.Bind();
        int shared = WgmmaPtx.SharedBytes(TShape.TileN);
        nint function = Function<WgmmaGemm<TShape>>(shared);
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        var error = CudaAPI.CurrentAPI.LaunchKernel(function, groups, parts, 1, Threads, 1, 1, shared, stream.StreamPtr, (nint)parameters, 0);
        Check(error, "a tensor-core product", null);
    }

    public void Dispose() => _backend.Dispose();

    private nint Function<TKernel>(int shared) where TKernel : struct, IKernel<WgmmaArgs>
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(typeof(TKernel), out nint function))
            {
                var watch = Stopwatch.StartNew();
                string ptx = Compile<TKernel, WgmmaArgs>(_backend);
                Check(CudaAPI.CurrentAPI.LoadModule(out nint module, ptx, out string? log), "a tensor-core kernel", log);
                Check(CudaAPI.CurrentAPI.GetModuleFunction(out function, module, WgmmaPtx.EntryOf(ptx)), "a tensor-core kernel", null);
                CudaDriver.AllowSharedMemory(function, shared);
                _functions.Add(typeof(TKernel), function);
                LoadTime += watch.Elapsed;
            }
            return function;
        }
    }

    private static void Check(CudaError error, string what, string? log)
    {
        if (error != CudaError.CUDA_SUCCESS)
        {
            throw new InvalidOperationException($"the NVIDIA driver refused {what}: {error} {log?.Trim('\0', ' ')}".TrimEnd());
        }
    }
}
