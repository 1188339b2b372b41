using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu;

/// <summary>Compiles, loads and launches tensor-core kernels. ILGPU compiles them to PTX but cannot load them, since it names no target
/// newer than sm_80: a job's own PTX writer expands their macros, and the driver takes the result.</summary>
internal sealed class PtxLoader(Context context, CudaStream stream, Accelerator accelerator) : IDisposable
{
    /// <summary>ILGPU's compiler from C# to PTX.</summary>
    public PTXBackend Backend { get; } = NewBackend(context);

    public static PTXBackend NewBackend(Context context) => new(context, CudaArchitecture.SM_90, CudaInstructionSet.ISA_80, null!);

    /// <summary>The PTX that ILGPU makes of a kernel, with its macros not yet expanded.</summary>
    public static string Compile<TKernel, TArgs>(PTXBackend backend, int threads, int blocksPerProcessor)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        Action<TArgs> run = TKernel.Run;
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(run.Method);
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

    /// <summary>Queues a loaded kernel that waits by itself for the work before it (griddepcontrol.wait), so that its thread blocks may
    /// start as those of the kernel before it leave.</summary>
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
