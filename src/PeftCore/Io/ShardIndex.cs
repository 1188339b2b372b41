using System.Text.Json;

namespace PeftCore.Io;

/// <summary>Reads model.safetensors.index.json: which shard holds which tensor. A shard is a plain file name in the directory of the index,
/// so that a malicious index cannot name other files.</summary>
internal static class ShardIndex
{
    private const string Map = "weight_map";

    public static Dictionary<string, string> Read(string path)
    {
        var map = ConfigReader.Open(path).Object(Map);
        var shardOf = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in map.Names)
        {
            if (map.Raw(name) is not { ValueKind: JsonValueKind.String } value)
            {
                throw map.Error(name, "must name the file that holds the tensor");
            }

            string shard = value.GetString()!;
            if (!IsPlainName(shard))
            {
                throw map.Error(name, $"names the file \"{shard}\", expected the name of a .safetensors file beside the index");
            }

            shardOf.Add(name, shard);
        }
        return shardOf.Count > 0 ? shardOf : throw new BadInputException($"{path}: {Map} lists no tensors.");
    }

    // Backslashes and drive letters are refused on every system, so that a model directory is valid on all or none.
    private static bool IsPlainName(string shard) =>
        shard.EndsWith(".safetensors", StringComparison.Ordinal) && shard.AsSpan().IndexOfAny("/\\:\0") < 0;
}
