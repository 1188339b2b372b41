using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Training.Metrics;

/// <summary>Retrieval accuracy of pictures and texts (recall@1): how often the text nearest to a picture, of those of all batches, is its
/// own, and the picture nearest to a text one that the text belongs to. Equal texts count as one.</summary>
/// <param name="model">A model that embeds both.</param>
internal sealed class RetrievalMeter(TransformerModel model) : TaskMeter
{
    // Pictures that are compared with all texts at once.
    private const int Rows = 512;

    private readonly List<float> _pictures = []; // (N, P)
    private readonly List<float> _texts = []; // (N, P)
    private readonly List<int> _captions = []; // (N): equal for equal texts
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);

    /// <summary>The metrics.</summary>
    public static IReadOnlyList<string> Names => ["image_to_text_accuracy", "text_to_image_accuracy"];

    public override bool ReadsLogits => false;

    public override void Add(Batch batch, float[] logits)
    {
        using var scope = new TensorScope();
        var outputs = model.Outputs(batch.ToInputs(model)).ToDictionary(output => output.Name, output => output.Value);
        _pictures.AddRange(outputs["image_embeds"].ToFloats());
        _texts.AddRange(outputs["text_embeds"].ToFloats());
        for (int row = 0; row < batch.BatchSize; row++)
        {
            string caption = string.Join(' ', batch.InputIds.AsSpan(row * batch.Length, batch.Lengths[row]).ToArray());
            _numbers.TryAdd(caption, _numbers.Count);
            _captions.Add(_numbers[caption]);
        }
    }

    public override Dictionary<string, double> Scores()
    {
        using var scope = new TensorScope();
        int count = _captions.Count, columns = _pictures.Count / count, hits = 0;
        var texts = model.Backend.From([.. _texts], [count, columns]);
        var (nearest, highest) = (new int[count], new float[count]); // the picture nearest to each text, and how near it is
        Array.Fill(highest, float.NegativeInfinity);
        for (int first = 0; first < count; first += Rows)
        {
            int rows = Math.Min(Rows, count - first);
            float[] cosines = CosinesOf(first, rows, columns, texts);
            for (int row = 0; row < rows; row++)
            {
                var own = cosines.AsSpan(row * count, count);
                hits += _captions[ArgMax(own)] == _captions[first + row] ? 1 : 0;
                for (int text = 0; text < count; text++)
                {
                    (nearest[text], highest[text]) = own[text] > highest[text] ? (first + row, own[text]) : (nearest[text], highest[text]);
                }
            }
        }
        int found = nearest.Where((picture, text) => _captions[picture] == _captions[text]).Count();
        return new() { ["image_to_text_accuracy"] = (double)hits / count, ["text_to_image_accuracy"] = (double)found / count };
    }

    /// <summary>Cosines of some pictures and all texts, (rows, N); embeddings have length 1.</summary>
    private float[] CosinesOf(int first, int rows, int columns, Tensor texts)
    {
        using var scope = new TensorScope();
        var pictures = model.Backend.From([.. _pictures.GetRange(first * columns, rows * columns)], [rows, columns]);
        return Tape.NoGrad(() => pictures.MatMul(texts, transposeB: true)).ToFloats();
    }
}
