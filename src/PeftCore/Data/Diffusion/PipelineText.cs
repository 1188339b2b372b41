using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>The text encoder of a pipeline of diffusers: CLIP's tower of texts, whose last hidden states a diffusion model attends to. It
/// is loaded for the texts of a run and freed before the diffusion model trains; it is frozen.</summary>
internal sealed class PipelineText
{
    private readonly string _encoder;
    private readonly string _tokenizer;
    private readonly int _columns;

    private PipelineText(string encoder, string tokenizer, int columns) => (_encoder, _tokenizer, _columns) = (encoder, tokenizer, columns);

    /// <summary>Finds text_encoder and tokenizer in the directory of a pipeline; null if it has neither.</summary>
    /// <param name="pipeline">The directory.</param>
    /// <param name="columns">Size of the hidden states that the diffusion model reads.</param>
    /// <exception cref="BadInputException">There is one without the other.</exception>
    public static PipelineText? Find(string pipeline, int columns)
    {
        string encoder = Path.Combine(pipeline, "text_encoder"), tokenizer = Path.Combine(pipeline, "tokenizer");
        bool hasEncoder = File.Exists(Path.Combine(encoder, "config.json")), hasTokenizer = Directory.Exists(tokenizer);
        return (hasEncoder, hasTokenizer) switch
        {
            (true, true) => new PipelineText(encoder, tokenizer, columns),
            (true, false) => throw new BadInputException($"{pipeline}: there is a text_encoder, but no tokenizer beside it; copy both."),
            _ => null,
        };
    }

    /// <summary>The hidden states (tokens, columns) of each text, padded to the encoder's length as diffusers does.</summary>
    /// <exception cref="BadInputException">The encoder or the tokenizer cannot be loaded, or does not fit the diffusion model.</exception>
    public IReadOnlyDictionary<string, DenseValues> Encode(IEnumerable<string> texts)
    {
        var tokenizer = ModelDirectory.OpenTokenizer(_tokenizer);
        using var backend = new CpuBackend();
        using var scope = new TensorScope();
        using var model = ModelLoader.Load(_encoder, backend);
        if (model.Task != ModelTask.FeatureExtraction || model.HiddenSize != _columns)
        {
            throw new BadInputException($"{_encoder}: this {model.ModelType} model makes hidden states of {model.HiddenSize} columns, but the " +
                $"diffusion model reads those of a text encoder with {_columns}.");
        }
        model.Mode.Training = false;
        var states = new Dictionary<string, DenseValues>(StringComparer.Ordinal);
        foreach (string text in texts.Where(text => !states.ContainsKey(text)))
        {
            using var inner = new TensorScope();
            var inputs = model.ToInputs(new InputArrays { Ids = Padded(tokenizer, text, model.MaxLength), BatchSize = 1 });
            states[text] = new DenseValues(Tape.NoGrad(() => model.Hidden(inputs)).ToFloats(), [model.MaxLength, _columns]);
        }
        return states;
    }

    /// <summary>The tokens of a text: cut before the end token, or padded behind it.</summary>
    private static int[] Padded(Tokenizer tokenizer, string text, int length)
    {
        int[] ids = tokenizer.Encode(text).Ids;
        if (ids.Length > length)
        {
            return [.. ids[..(length - 1)], ids[^1]];
        }
        int[] padded = new int[length];
        Array.Fill(padded, tokenizer.PadId ?? tokenizer.EosId ?? 0);
        ids.CopyTo(padded, 0);
        return padded;
    }
}
