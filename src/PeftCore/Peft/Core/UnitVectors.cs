using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Unit vectors, a few at a time: what a linear map makes of them are the columns of its matrix.</summary>
internal static class UnitVectors
{
    /// <summary>How many make one piece: few enough to take far less memory than the matrix.</summary>
    public static int MostOf(int inputs) => Math.Clamp(inputs / 16, 1, 64);

    /// <summary>Unit vectors from number <paramref name="first"/> on, one piece of them.</summary>
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
