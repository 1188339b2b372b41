using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;

namespace PeftCore.Ilgpu;

/// <summary>Finds the NVIDIA driver's library: ILGPU asks for libcuda.so, and many machines have libcuda.so.1 alone.</summary>
internal static class CudaDriver
{
    private static readonly Lazy<bool> Resolver = new(Register);
    private static readonly Lazy<nint> Library = new(Load);

    public static void Resolve() => _ = Resolver.Value;

    /// <summary>Lets a kernel have more dynamic shared memory than the 48 KiB it gets unasked.</summary>
    public static unsafe void AllowSharedMemory(nint function, int bytes)
    {
        const int MostDynamicSharedMemory = 8; // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        var set = (delegate* unmanaged<nint, int, int, int>)Export("cuFuncSetAttribute");
        int error = set(function, MostDynamicSharedMemory, bytes);
        if (error != 0)
        {
            throw new InvalidOperationException($"the NVIDIA driver refused {bytes} bytes of shared memory: error {error}");
        }
    }

    /// <summary>One of the driver's functions that ILGPU does not offer.</summary>
    public static nint Export(string function) => NativeLibrary.GetExport(Library.Value, function);

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
            return false; // Someone else in this process set a resolver for ILGPU first.
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
}
