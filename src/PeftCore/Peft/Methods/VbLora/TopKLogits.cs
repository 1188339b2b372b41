using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Peft.VbLora;

/// <summary>Logits in the compact file of save_only_topk_weights: for each piece the indices of its k vectors, and the first k − 1 of their
/// softmax weights; the last weight is 1 minus their sum. All other logits become −∞ when the file is read.</summary>
internal sealed class TopKLogits(Parameter logits, int k)
{
    private readonly int _vectors = logits.Shape.Columns;
    private readonly int _pieces = logits.Shape.Rows;
    private int[] _indices = [];

    public IEnumerable<SavedEntry> Entries(AdapterParameter parameter)
    {
        string indices = parameter.FileName + "_topk_indices", weights = parameter.FileName + "_topk_weights";
        yield return new SavedEntry(indices, () => Write(indices, Choose()),
            entry => Check(entry, Shape(k), IndexType), entry => _indices = Read(entry));
        yield return new SavedEntry(weights, () => SafetensorsTensor.Of(weights, "F32", Shape(k - 1), Weights()),
            entry => Check(entry, Shape(k - 1), "F32"), entry => Fill(entry.ToArray<float>()));
    }

    private string IndexType => _vectors switch { < 1 << 8 => "U8", < 1 << 15 => "I16", _ => "I32" };

    private long[] Shape(int last) => [logits.Shape[0], logits.Shape[1], last];

    private int[] Choose()
    {
        float[] values = logits.Value.ToArray<float>();
        return [.. values.Chunk(_vectors).SelectMany(row => Enumerable.Range(0, _vectors).OrderByDescending(i => row[i]).ThenBy(i => i)
            .Take(k))];
    }

    /// <summary>Softmax over the k largest logits of each piece, without the last weight.</summary>
    private float[] Weights()
    {
        float[] values = logits.Value.ToArray<float>();
        int[] chosen = Choose();
        var weights = new List<float>();
        for (int piece = 0; piece < _pieces; piece++)
        {
            double[] row = [.. chosen.Skip(piece * k).Take(k).Select(i => (double)values[piece * _vectors + i])];
            double sum = row.Sum(x => Math.Exp(x - row[0]));
            weights.AddRange(row.Take(k - 1).Select(x => (float)(Math.Exp(x - row[0]) / sum)));
        }
        return [.. weights];
    }

    private void Fill(float[] weights)
    {
        float[] values = new float[checked(_pieces * _vectors)];
        Array.Fill(values, float.NegativeInfinity);
        for (int piece = 0; piece < _pieces; piece++)
        {
            float rest = 1;
            for (int i = 0; i < k; i++)
            {
                float weight = i < k - 1 ? weights[piece * (k - 1) + i] : rest;
                rest -= weight;
                values[piece * _vectors + _indices[piece * k + i]] = MathF.Log(Math.Max(weight, 0));
            }
        }
        logits.Value.Upload<float>(values);
    }

    private SafetensorsTensor Write(string name, int[] indices) => IndexType switch
    {
        "U8" => SafetensorsTensor.Of(name, IndexType, Shape(k), Array.ConvertAll(indices, i => (byte)i)),
        "I16" => SafetensorsTensor.Of(name, IndexType, Shape(k), Array.ConvertAll(indices, i => (short)i)),
        _ => SafetensorsTensor.Of(name, IndexType, Shape(k), indices),
    };

    private static int[] Read(WeightEntry entry) => entry.DType switch
    {
        "U8" => Array.ConvertAll(entry.ToArray<byte>(), i => (int)i),
        "I16" => Array.ConvertAll(entry.ToArray<short>(), i => (int)i),
        _ => entry.ToArray<int>(),
    };

    private void Check(WeightEntry entry, long[] shape, string dtype)
    {
        if (!entry.Shape.AsSpan().SequenceEqual(shape) || entry.DType != dtype)
        {
            throw entry.Error(
                $"is {entry.DType} of shape ({string.Join(", ", entry.Shape)}), but the configuration makes it {dtype} of " +
                $"({string.Join(", ", shape)})");
        }
        if (dtype != "F32" && Read(entry).Any(i => i < 0 || i >= _vectors))
        {
            throw entry.Error($"names a vector outside of the bank of {_vectors}");
        }
    }
}
