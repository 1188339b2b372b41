using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;

namespace PeftCore.Cli.Verify;

/// <summary>Checks the target texts of an encoder-decoder: one row for each source text, which begins with the start token.</summary>
internal static class TargetCheck
{
    public static Comparison Of(TransformerModel model, Backend backend, string directory, Expected expected, string name, int beams)
    {
        int[] reference = expected.Ints(name), ids = expected.Ints("in.input_ids"), mask = expected.Ints("in.attention_mask");
        int rows = expected.Extent(name, 0), length = reference.Length / rows, places = ids.Length / rows;
        var options = GenerationOptions.FromModel(directory) with { NumBeams = beams, MaxNewTokens = length - 1 };
        var generator = new Generator(model, backend);
        bool equal = true;
        for (int row = 0; row < rows; row++)
        {
            int[] source = [.. Enumerable.Range(row * places, places).Where(at => mask[at] == 1).Select(at => ids[at])];
            equal &= BeamCheck.IsSame(reference.AsSpan(row * length + 1, length - 1), generator.Generate(source, options).Tokens);
        }
        return Comparison.Equal(name, equal, $"{rows} texts of {length - 1} tokens{(beams > 1 ? $", {beams} beams" : "")}");
    }
}
