using System.Runtime.InteropServices;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tests.Models;
using PeftCore.Tests.Models.Audio;
using PeftCore.Tests.Models.Vision;

namespace PeftCore.Tests.Peft;

/// <summary>A tiny model under test, with its batch, its outputs and its memory.</summary>
internal sealed class Bench : IDisposable
{
    public const int Rows = 3;

    private static readonly int[] Ids = [5, 17, 9, 3, 80, 2, 44, 9, 31, 60, 5, 7, 12, 96, 3, 21, 9, 50, 5, 1, 66];
    private readonly TensorScope _scope = new();

    /// <summary>Loads a model.</summary>
    /// <param name="family">The family.</param>
    /// <param name="dtype">The dtype of its weights; null for that of the file.</param>
    /// <param name="format">The format that its linear layers are quantised to; null for none.</param>
    public Bench(Family family, DType? dtype = null, QuantizedFormat? format = null)
    {
        Family = family;
        Backend = new CpuBackend(1, poison: true);
        var model = family.Load(Backend, dtype);
        if (format is not null)
        {
            QuantizedFixture.Quantize(model, format);
        }
        Model = new PeftModel(model);
        Logits(); // The model keeps its rotary tables from the first pass on.
        StartingBytes = Backend.Memory.CurrentBytes;
    }

    public Family Family { get; }

    public CpuBackend Backend { get; }

    public PeftModel Model { get; }

    public TransformerModel Base => Model.Base;

    /// <summary>Allocated bytes before the first adapter.</summary>
    public long StartingBytes { get; }

    public float[] Logits()
    {
        using var scope = new TensorScope();
        return LogitsOfTokens(Inputs(Ids, Rows));
    }

    /// <summary>Logits of one row alone.</summary>
    public float[] Logits(int row)
    {
        using var scope = new TensorScope();
        return LogitsOfTokens(Inputs(Ids.AsSpan(row * Ids.Length / Rows, Ids.Length / Rows), 1, row));
    }

    /// <summary>Runs forward and backward; the parameters keep their gradients.</summary>
    /// <param name="masked">Number of first tokens whose labels are masked.</param>
    /// <param name="parts">Number of micro batches of the step.</param>
    public float Step(int masked = 0, int parts = 1)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        int[] labels = [.. Ids.Select((id, i) => i < masked ? -100 : id)];
        var loss = Base.Loss(Inputs(Ids, Rows), Base.Task switch
        {
            ModelTask.SequenceClassification or ModelTask.ImageClassification or ModelTask.Contrastive =>
                Base.ToTargets((int[])(Base.Task == ModelTask.Contrastive ? [0, 1, 2] : [0, 2, 1]), Rows, parts == 1 ? null : parts * Rows),
            ModelTask.NoisePrediction => Base.ToTargets(
                TinyPictures.Pixels(Rows, TinyPictures.Side, TinyPictures.Side, first: 50).Values, Rows, parts == 1 ? null : parts * Rows),
            ModelTask.TokenClassification => Base.ToTargets(Array.ConvertAll(Ids, id => id % 3), Rows,
                parts == 1 ? null : parts * Ids.Length),
            ModelTask.Ctc => Base.ToTargets(Array.ConvertAll(Ids, id => 1 + id % 19), Rows, parts == 1 ? null : parts * Rows),
            ModelTask.Seq2SeqLm or ModelTask.SpeechToText => Base.ToTargets(TargetsOf(Ids), Rows, parts == 1 ? null : parts * Ids.Length),
            _ => Targets.FromLabels(Backend, labels, Rows, parts == 1 ? null
                : parts * LabelShift.Shift(labels, Rows, new int[labels.Length])),
        });
        tape.Backward(loss);
        return loss.Item();
    }

    /// <summary>Moves all parameters of the active adapters off their initial values.</summary>
    public void Perturb(ulong seed = 1, float deviation = 0.05f)
    {
        ulong stream = 0;
        foreach (var (_, parameter) in Model.Parameters)
        {
            using var scope = new TensorScope();
            var noise = Backend.NewTensor(parameter.Shape);
            Backend.FillNormal(noise, 0, deviation, seed, stream++);
            Backend.Add(parameter.Value, noise, parameter.Value);
        }
    }

    /// <summary>Bytes of every base parameter by name, with adapters disabled.</summary>
    public Dictionary<string, byte[]> BaseBytes() => BytesOf(Base);

    public static Dictionary<string, byte[]> BytesOf(TransformerModel model) =>
        model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Value.ToBytes());

    public static void AssertSame(Dictionary<string, byte[]> ours, Dictionary<string, byte[]> reference)
    {
        Assert.That(ours.Keys, Is.EquivalentTo(reference.Keys));
        Assert.That(ours.Keys.Where(name => !ours[name].AsSpan().SequenceEqual(reference[name])), Is.Empty, "differ");
    }

    public Dictionary<string, byte[]> AdapterBytes() => Used.ToDictionary(p => p.Name, p => p.Parameter.Value.ToBytes());

    public Dictionary<string, float[]> Gradients() =>
        Used.ToDictionary(p => p.Name, p => p.Parameter.Gradient?.ToArray<float>() ?? []);

    /// <summary>The parameters of the adapter that a pass uses.</summary>
    private IEnumerable<(string Name, Parameter Parameter)> Used => Model.Parameters
        .Where(p => Family.Unused is not { } unused || !p.Name.EndsWith(unused, StringComparison.Ordinal))
        .Select(p => (p.Name, p.Parameter));

    public static void Set(Parameter parameter, float[] values) =>
        ((Backend)parameter.Value.Device).Upload(MemoryMarshal.AsBytes<float>(values), parameter.Value);

    public void Dispose()
    {
        Model.Unload();
        _scope.Dispose();
        Base.Dispose();
        Backend.Dispose();
    }

    /// <summary>Logits without those of virtual tokens.</summary>
    private float[] LogitsOfTokens(ModelInputs inputs)
    {
        if (Base.Task == ModelTask.Contrastive)
        {
            return EmbeddingsOfRows(inputs); // The scores of a row depend on the other rows.
        }
        float[] all = Tape.NoGrad(() => Base.Logits(inputs)).ToArray<float>();
        if (Base.Task != ModelTask.CausalLm)
        {
            return all;
        }
        int tokens = (int)inputs.Ids.Count / inputs.Batch * Base.VocabularySize, each = all.Length / inputs.Batch;
        return [.. Enumerable.Range(1, inputs.Batch).SelectMany(row => all[(row * each - tokens)..(row * each)])];
    }

    /// <summary>The embeddings of text and picture of each row.</summary>
    private float[] EmbeddingsOfRows(ModelInputs inputs)
    {
        var outputs = Tape.NoGrad(() => Base.Outputs(inputs));
        float[] texts = outputs[1].Value.ToArray<float>(), pictures = outputs[2].Value.ToArray<float>();
        int each = texts.Length / inputs.Batch;
        return [.. Enumerable.Range(0, inputs.Batch).SelectMany(row => texts[(row * each)..((row + 1) * each)]
            .Concat(pictures[(row * each)..((row + 1) * each)]))];
    }

    private ModelInputs Inputs(ReadOnlySpan<int> ids, int rows, int first = 0) => Base.Task == ModelTask.CausalLm
        ? ModelInputs.From(Backend, ids, rows) : Family.IsTiny
        ? Base.ToInputs(TinyPictures.Batch(Family.Name, ids.ToArray(), rows, first))
        : Base.Task is ModelTask.Ctc or ModelTask.SpeechToText
        ? Base.ToInputs(TinySpeech.Arrays(Base, rows, first) with { Labels = TargetsOf(ids) })
        : Base.ToInputs(new InputArrays { Ids = ids.ToArray(), BatchSize = rows, Labels = TargetsOf(ids) });

    /// <summary>The tokens that an encoder-decoder writes.</summary>
    private static int[] TargetsOf(ReadOnlySpan<int> ids) => Array.ConvertAll(ids.ToArray(), id => (id * 7 + 3) % 90 + 3);
}
