namespace PeftCore.Cli.Options;

/// <summary>Refuses sizes of a benchmark whose tensors no machine holds, before numbers of elements overflow.</summary>
internal static class BenchSizes
{
    private const long MostElements = 1L << 40;

    /// <summary>Checks the sizes of a tensor.</summary>
    /// <param name="flags">The flags, for the message.</param>
    /// <param name="sizes">Its sizes.</param>
    /// <exception cref="BadInputException">Their product is too large.</exception>
    public static void Check(string flags, params ReadOnlySpan<int> sizes)
    {
        long elements = 1;
        foreach (int size in sizes)
        {
            elements = size > MostElements / elements
                ? throw new BadInputException($"{flags} make a tensor of more than {MostElements} elements; choose smaller sizes.")
                : elements * size;
        }
    }
}
