using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Adapter files whose tensors do not fit their configuration, or each other.</summary>
internal static class TensorContradictions
{
    public static IEnumerable<AdapterRule> Rules(string[] targeted) =>
    [
        new("a missing tensor", targeted, (random, adapter) =>
        {
            // The projections that all layers share stand in the file once more for each layer.
            SampleTensor[] choices =
                [.. adapter.Tensors.Where(tensor => !(tensor.Name.Contains(".randlora_A", StringComparison.Ordinal)
                    || tensor.Name.Contains(".randlora_B", StringComparison.Ordinal))
                || tensor.Name.StartsWith("base_model.randlora", StringComparison.Ordinal))];
            adapter.Tensors.Remove(random.Pick(choices));
            return Claim.Impossible;
        }),
        new("a tensor too many", [], (random, adapter) =>
        {
            var tensor = random.Pick(adapter.Tensors);
            string other = random.Pick(tensor.Name + "x", "base_model.model." + tensor.Name,
                tensor.Name.Replace(".1.", ".7.", StringComparison.Ordinal).Replace(".0.", ".9.", StringComparison.Ordinal),
                tensor.Name.Replace("q_proj", "k_proj", StringComparison.Ordinal), "base_model.model.nothing.weight", "");
            if (adapter.Tensors.Exists(known => known.Name == other))
            {
                return null;
            }
            adapter.Tensors.Add(tensor with { Name = other });
            return Claim.Impossible;
        }),
        new("a tensor of another shape", targeted, (random, adapter) => Replace(random, adapter, tensor => tensor.Shape.Length > 0
            && tensor.Shape[0] > 1, tensor =>
        {
            long rows = tensor.Shape[0];
            return tensor with { Shape = [rows - 1, .. tensor.Shape[1..]],
                Bytes = tensor.Bytes[..(int)(tensor.Bytes.Length / rows * (rows - 1))] };
        })),
        new("a tensor with its axes exchanged", targeted, (random, adapter) => Replace(random, adapter, tensor => tensor.Shape.Length == 2
            && tensor.Shape[0] != tensor.Shape[1], tensor =>
            tensor with { Shape = [tensor.Shape[1], tensor.Shape[0]] })),
        new("a tensor of one axis more", targeted, (random, adapter) => Replace(random, adapter, _ => true,
            tensor => tensor with { Shape = [1, .. tensor.Shape] })),
        new("a tensor of integers", targeted, (random, adapter) => Replace(random, adapter, tensor => tensor.DType == "F32",
            tensor => tensor with { DType = random.Pick("I32", "U32") })),
        new("a tensor twice, in two spellings", ["LORA"], (random, adapter) =>
        {
            SampleTensor[] choices = [.. adapter.Tensors.Where(tensor => tensor.Name.EndsWith("lora_A.weight", StringComparison.Ordinal)
                || tensor.Name.EndsWith("lora_B.weight", StringComparison.Ordinal))];
            if (choices.Length == 0)
            {
                return null;
            }
            var tensor = random.Pick(choices);
            adapter.Tensors.Add(tensor with { Name = tensor.Name.Replace(".weight", ".default.weight", StringComparison.Ordinal),
                Bytes = [.. tensor.Bytes.Select(value => (byte)(value ^ 1))] });
            return Claim.About("default", tensor.Name);
        }),
        new("a table twice, in two layouts", ["LORA"], (random, adapter) =>
        {
            if (adapter.Name != "lora_embedding" || adapter.Family != "llama")
            {
                return null;
            }
            SampleTensor[] tables =
                [.. adapter.Tensors.Where(tensor => tensor.Name.EndsWith("base_layer.weight", StringComparison.Ordinal))];
            if (tables.Length == 0)
            {
                return null;
            }
            var table = random.Pick(tables);
            adapter.Tensors.Add(table with { Name = table.Name.Replace(".base_layer", "", StringComparison.Ordinal),
                Bytes = [.. table.Bytes.Select(value => (byte)(value ^ 1))] });
            return Claim.About(table.Name, "embed_tokens");
        }),
    ];

    private static Claim? Replace(FuzzRandom random, AdapterSample adapter, Func<SampleTensor, bool> fits,
        Func<SampleTensor, SampleTensor> change)
    {
        // Tables that are saved along may have more rows than the base's.
        SampleTensor[] choices =
            [.. adapter.Tensors.Where(tensor => fits(tensor) && !tensor.Name.Contains("base_layer", StringComparison.Ordinal))];
        if (choices.Length == 0)
        {
            return null;
        }
        var chosen = random.Pick(choices);
        adapter.Tensors[adapter.Tensors.IndexOf(chosen)] = change(chosen);
        return Claim.Impossible;
    }
}
