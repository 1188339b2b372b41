using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Unit vectors in chunks: the images of a linear map on them are the columns of its matrix.</summary>
internal static class UnitVectors
{
    /// <summary>Number of vectors in a chunk: small enough to take far less memory than the matrix.</summary>
    public static int MostOf(int inputs) => Math.Clamp(inputs / 16, 1, 64);

    /// <summary>One chunk of unit vectors, from index <paramref name="first"/> on.</summary>
    /// <returns>(count, inputs)</returns>
    public static Tensor From(Backend backend, int inputs, int first)
    {
        int count = Math.Min(MostOf(inputs), inputs - first);
        float[] rows = new float[count * inputs];
        for (int i = 0; i < count; i++)
        {
            rows[i * inputs + first + i] = 1;
        }
        return backend.From(rows, [count, inputs]);
    }
}
