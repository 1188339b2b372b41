using System.Runtime.InteropServices;

namespace PeftCore.Bench;

/// <summary>The peer of matrix products on the CPU, called in the same process so that runs can alternate: Debian's libopenblas0-pthread.
/// OPENBLAS_CORETYPE=SKYLAKEX makes it use AVX-512 on processors that it does not recognise.</summary>
internal static unsafe partial class OpenBlas
{
    private const string Library = "libopenblas.so.0";
    private const int RowMajor = 101, Plain = 111, Transposed = 112;

    public static bool IsInstalled { get; } = NativeLibrary.TryLoad(Library, out _);

    public static string Core => Marshal.PtrToStringUTF8(CoreName()) ?? "";

    /// <summary>C = A·Bᵀ with A (m, k) and B (n, k).</summary>
    public static void Multiply(int m, int n, int k, ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c)
    {
        fixed (float* pb = b)
        {
            Multiply(m, n, k, a, pb, c);
        }
    }

    /// <summary>C = A·Bᵀ with A (m, k) and B (n, k).</summary>
    public static void Multiply(int m, int n, int k, ReadOnlySpan<float> a, float* b, Span<float> c)
    {
        fixed (float* pa = a, pc = c)
        {
            Sgemm(RowMajor, Plain, Transposed, m, n, k, 1, pa, k, b, k, 0, pc, n);
        }
    }

    [LibraryImport(Library, EntryPoint = "openblas_set_num_threads")]
    public static partial void SetThreads(int threads);

    [LibraryImport(Library, EntryPoint = "openblas_get_corename")]
    private static partial nint CoreName();

    [LibraryImport(Library, EntryPoint = "cblas_sgemm")]
    private static partial void Sgemm(int order, int transA, int transB, int m, int n, int k, float alpha, float* a, int lda, float* b,
        int ldb, float beta,
        float* c, int ldc);
}
