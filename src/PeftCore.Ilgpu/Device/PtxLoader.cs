using System.Diagnostics;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu;

/// <summary>Kernels that ILGPU compiles but cannot load, for it names no target newer than sm_80: their PTX is completed here and handed
/// to the driver.</summary>
internal sealed class WgmmaKernels(Context context, CudaStream stream, Accelerator accelerator) : IDisposable
{
    private readonly PTXBackend _backend = NewBackend(context);
    private readonly Dictionary<Type, nint> _functions = [];
    private readonly Lock _lock = new();

    /// <summary>What compiles the kernels.</summary>
    public PTXBackend Backend => _backend;

    /// <summary>How long loading took so far.</summary>
    public TimeSpan LoadTime { get; private set; }

    public static PTXBackend NewBackend(Context context) => new(context, CudaArchitecture.SM_90, CudaInstructionSet.ISA_80, null!);

    /// <summary>PTX of an attention kernel for sm_90a.</summary>
    public static string Compile<TKernel, TArgs>(PTXBackend backend, in LaunchShape shape)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct => FlashPtx.Expand(Compile<TKernel, TArgs>(backend, shape.Threads, shape.BlocksPerProcessor));

    /// <summary>What ILGPU makes of a kernel, macros as they are.</summary>
    public static string Compile<TKernel, TArgs>(PTXBackend backend, int threads, int blocksPerProcessor)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        Action<TArgs> run = TKernel.Run;
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(run.Method);
        return ((PTXCompiledKernel)backend.Compile(entry, new KernelSpecialization(threads, blocksPerProcessor))).PTXAssembly;
    }

    public string Compile<TKernel, TArgs>(int threads, int blocksPerProcessor)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct => Compile<TKernel, TArgs>(_backend, threads, blocksPerProcessor);

    /// <summary>Loads a kernel ahead of its first run.</summary>
    public void Load<TKernel, TArgs>(in LaunchShape shape)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct => _ = Function<TKernel, TArgs>(shape);

    /// <summary>Queues a kernel. <typeparamref name="TRaw"/> looks in memory as <typeparamref name="TArgs"/> does in the kernel.</summary>
    public unsafe void Run<TKernel, TArgs, TRaw>(int blocks, int splits, in LaunchShape shape, TRaw args)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
        where TRaw : unmanaged
    {
        nint* parameters = stackalloc nint[1];
        parameters[0] = (nint)(&args);
        Launch(Function<TKernel, TArgs>(shape), blocks, splits, shape.Threads, shape.SharedBytes, parameters);
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

    /// <summary>Loads the one kernel of a module whose making began at a time stamp.</summary>
    public nint Load(string ptx, int sharedBytes, long start)
    {
        accelerator.Bind();
        Check(CudaAPI.CurrentAPI.LoadModule(out nint module, ptx, out string? log), "to load a tensor-core kernel", log);
        Check(CudaAPI.CurrentAPI.GetModuleFunction(out nint function, module, PtxMacros.EntryOf(ptx)), "to find a tensor-core kernel",
            null);
        CudaDriver.AllowSharedMemory(function, sharedBytes);
        LoadTime += Stopwatch.GetElapsedTime(start);
        return function;
    }

    public void Dispose() => _backend.Dispose();

    private nint Function<TKernel, TArgs>(in LaunchShape shape)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct
    {
        lock (_lock)
        {
            if (!_functions.TryGetValue(typeof(TKernel), out nint function))
            {
                long start = Stopwatch.GetTimestamp();
                function = Load(Compile<TKernel, TArgs>(_backend, shape), shape.SharedBytes, start);
                _functions.Add(typeof(TKernel), function);
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
