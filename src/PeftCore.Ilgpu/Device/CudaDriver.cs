using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;

namespace PeftCore.Ilgpu;

/// <summary>Functions of the NVIDIA driver that ILGPU does not offer. It also resolves ILGPU's libcuda.so to libcuda.so.1, the only file
/// name on many machines.</summary>
internal static class CudaDriver
{
    private static readonly Lazy<bool> Resolver = new(Register);
    private static readonly Lazy<nint> Library = new(Load);
    private static readonly ConcurrentDictionary<string, nint> Functions = [];

    /// <summary>Registers the resolver of the driver's library, once.</summary>
    public static void Resolve() => _ = Resolver.Value;

    /// <summary>Allows a kernel more dynamic shared memory than the default of 48 KiB.</summary>
    public static unsafe void AllowSharedMemory(nint function, int bytes)
    {
        const int MostDynamicSharedMemory = 8; // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        Check(((delegate* unmanaged<nint, int, int, int>)Export("cuFuncSetAttribute"))(function, MostDynamicSharedMemory, bytes),
            $"{bytes} bytes of shared memory");
    }

    /// <summary>An event that records when a stream reaches it.</summary>
    public static unsafe nint CreateEvent()
    {
        nint event_;
        Check(((delegate* unmanaged<nint*, uint, int>)Export("cuEventCreate"))(&event_, 0), "an event");
        return event_;
    }

    /// <summary>Queues the event after all work in the stream so far.</summary>
    public static unsafe void RecordEvent(nint event_, nint stream) =>
        Check(((delegate* unmanaged<nint, nint, int>)Export("cuEventRecord"))(event_, stream), "to record an event");

    /// <summary>Queues a wait: work that is queued in the stream from now on begins after the event.</summary>
    public static unsafe void WaitEvent(nint stream, nint event_) =>
        Check(((delegate* unmanaged<nint, nint, uint, int>)Export("cuStreamWaitEvent"))(stream, event_, 0), "to wait for an event");

    /// <summary>Milliseconds between two completed events.</summary>
    public static unsafe float Elapsed(nint start, nint end)
    {
        float milliseconds;
        Check(((delegate* unmanaged<float*, nint, nint, int>)Export("cuEventElapsedTime"))(&milliseconds, start, end),
            "the time between events");
        return milliseconds;
    }

    public static unsafe void DestroyEvent(nint event_) =>
        Check(((delegate* unmanaged<nint, int>)Export("cuEventDestroy_v2"))(event_), "to destroy an event");

    /// <summary>Sets 32-bit words of device memory.</summary>
    public static unsafe void Fill(nint address, uint word, long count, nint stream) =>
        Check(((delegate* unmanaged<nint, uint, nint, nint, int>)Export("cuMemsetD32Async"))(address, word, (nint)count, stream),
            "filling memory");

    internal static void Check(int error, string what)
    {
        if (error != 0)
        {
            throw new InvalidOperationException($"the NVIDIA driver refused {what}: error {error}");
        }
    }

    /// <summary>Queues a kernel that may start before the previous one has ended (programmatic dependent launch).</summary>
    public static unsafe void LaunchEarly(nint function, int blocks, int threads, int sharedBytes, nint stream, nint* parameters)
    {
        const int ProgrammaticStreamSerialization = 6; // CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
        LaunchAttribute attribute = default;
        (attribute.Id, attribute.Value) = (ProgrammaticStreamSerialization, 1);
        LaunchConfig config = default;
        (config.BlocksX, config.BlocksY, config.BlocksZ, config.ThreadsX, config.ThreadsY, config.ThreadsZ) =
            ((uint)blocks, 1, 1, (uint)threads, 1, 1);
        (config.SharedBytes, config.Stream, config.AttributeCount) = ((uint)sharedBytes, stream, 1);
        config.Attributes = &attribute;
        Check(((delegate* unmanaged<LaunchConfig*, nint, nint*, nint, int>)Export("cuLaunchKernelEx"))(&config, function, parameters, 0),
            $"to run a kernel in {blocks} thread blocks");
    }

    /// <summary>The address of a function of the driver's library.</summary>
    public static nint Export(string function) => Functions.GetOrAdd(function, static name => NativeLibrary.GetExport(Library.Value, name));

    private static nint Load()
    {
        foreach (string name in new[] { "libcuda.so.1", "libcuda.so", "nvcuda" })
        {
            if (NativeLibrary.TryLoad(name, out nint library))
            {
                return library;
            }
        }
        throw new BadInputException("--device cuda: the NVIDIA driver's library, libcuda.so.1, cannot be loaded");
    }

    private static bool Register()
    {
        try
        {
            NativeLibrary.SetDllImportResolver(typeof(Context).Assembly, Find);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false; // Other code in this process has set a resolver for ILGPU.
        }
    }

    private static nint Find(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (NativeLibrary.TryLoad(name, assembly, path, out nint library))
        {
            return library;
        }
        return name is "cuda" or "libcuda" or "libcuda.so" && NativeLibrary.TryLoad("libcuda.so.1", out library) ? library : 0;
    }

    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct LaunchConfig
    {
        public uint BlocksX, BlocksY, BlocksZ, ThreadsX, ThreadsY, ThreadsZ, SharedBytes;
        public nint Stream;
        public LaunchAttribute* Attributes;
        public uint AttributeCount;
    }

    [StructLayout(LayoutKind.Explicit, Size = 72)]
    private struct LaunchAttribute
    {
        [FieldOffset(0)]
        public int Id;

        [FieldOffset(8)]
        public int Value;
    }
}
