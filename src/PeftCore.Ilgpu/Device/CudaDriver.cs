using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;

namespace PeftCore.Ilgpu;

/// <summary>Finds the NVIDIA driver's library: ILGPU asks for libcuda.so, and many machines have libcuda.so.1 alone.</summary>
internal static class CudaDriver
{
    private static readonly Lazy<bool> Resolver = new(Register);

    public static void Resolve() => _ = Resolver.Value;

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
