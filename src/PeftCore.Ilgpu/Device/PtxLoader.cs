using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu;

/// <summary>Compiles, loads and launches tensor-core kernels. ILGPU compiles them to PTX but cannot load them, because it has no target
/// newer than sm_80: the PTX writer of each kernel expands its macros, and the driver loads the result.</summary>
internal sealed class PtxLoader(Context context, CudaStream stream, Accelerator accelerator) : IDisposable
{
    /// <summary>ILGPU's compiler from C# to PTX.</summary>
    public PTXBackend Backend { get; } = NewBackend(context);

    public static PTXBackend NewBackend(Context context) => new(context, CudaArchitecture.SM_90, CudaInstructionSet.ISA_80, null!);

    /// <summary>Compiles a kernel to PTX with unexpanded macros.</summary>
    public static string Compile<TKernel, TArgs>(PTXBackend backend, int threads, int blocksPerProcessor)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        Action<TArgs> run = TKernel.Run;
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(run.Method);
        // ILGPU's interface returns the base type; its PTX backend makes this one.
        return ((PTXCompiledKernel)backend.Compile(entry, new KernelSpecialization(threads, blocksPerProcessor))).PTXAssembly;
    }

    /// <summary>Loads the one kernel of a module and returns its function handle.</summary>
    public nint Load(string ptx, int sharedBytes)
    {
        accelerator.Bind();
        Check(CudaAPI.CurrentAPI.LoadModule(out nint module, ptx, out string? log), "to load a tensor-core kernel", log);
        Check(CudaAPI.CurrentAPI.GetModuleFunction(out nint function, module, PtxMacros.EntryOf(ptx)), "to find a tensor-core kernel",
            null);
        CudaDriver.AllowSharedMemory(function, sharedBytes);
        return function;
    }

    /// <summary>Queues a loaded kernel.</summary>
    public unsafe void Launch(nint function, int blocks, int splits, int threads, int sharedBytes, nint* parameters)
    {
        accelerator.Bind();
        Check(CudaAPI.CurrentAPI.LaunchKernel(function, blocks, splits, 1, threads, 1, 1, sharedBytes, stream.StreamPtr, (nint)parameters,
            0),
            "to run a tensor-core kernel", null);
    }

    /// <summary>Queues a loaded kernel that itself waits for the preceding work (griddepcontrol.wait), so that its thread blocks may start
    /// while those of the preceding kernel end.</summary>
    public unsafe void LaunchEarly(nint function, int blocks, int threads, int sharedBytes, nint* parameters)
    {
        accelerator.Bind();
        CudaDriver.LaunchEarly(function, blocks, threads, sharedBytes, stream.StreamPtr, parameters);
    }

    public void Dispose() => Backend.Dispose();

    private static void Check(CudaError error, string what, string? log)
    {
        if (error != CudaError.CUDA_SUCCESS)
        {
            throw new InvalidOperationException($"the NVIDIA driver refused {what}: {error} {log?.Trim('\0', ' ')}".TrimEnd());
        }
    }
}
