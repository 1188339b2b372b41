#:project ../../src/PeftCore/PeftCore.csproj

// A model family of your own: a small decoder over characters. It is registered by its model_type, trains from random weights, generates,
// saves, and takes LoRA like the families of the library.
//
//   dotnet run -c Release docs/samples/own-model.cs
//
// docs/extending.md explains the parts.

using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Selective;
using PeftCore.Tensors;
using PeftCore.Training;

const string Letters = " abcdefghijklmnopqrstuvwxyz.";
ModelFamilies.Register("letter_decoder", (config, _) => new LetterDecoder(config), "q_proj", "v_proj");

// 1. A config.json says the sizes; the weights are random.
string directory = Directory.CreateTempSubdirectory("own-model-").FullName, saved = Path.Combine(directory, "saved");
File.WriteAllText(Path.Combine(directory, "config.json"), $$"""
    {
      "architectures": ["LetterDecoderForCausalLM"], "model_type": "letter_decoder", "vocab_size": {{Letters.Length}},
      "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64
    }
    """);
using var backend = new CpuBackend();
var model = ModelLoader.Declare(ConfigReader.Open(Path.Combine(directory, "config.json")));
ModelLoader.Initialize(model, backend, DType.F32, seed: 1);
Console.WriteLine($"{model.ModelType}: {model.NamedParameters().Sum(p => p.Parameter.Shape.Count):N0} parameters");

// 2. All of them train: the method "full".
string[] proverbs = ["the early bird catches the worm.", "a rolling stone gathers no moss.", "still waters run deep."];
var peft = new PeftModel(model);
peft.AddAdapter(new FullConfig());
Train(peft, proverbs, steps: 120, rate: 5e-3);
Console.WriteLine($"\"the early\" goes on: {Continue(model, "the early")}");

// 3. It saves and loads as any model directory, and a LoRA on it learns another proverb.
ModelWriter.Save(peft.MergeAndUnload(), saved, directory);
var loaded = new PeftModel(ModelLoader.Load(saved, backend));
loaded.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) });
Console.WriteLine(loaded.TrainableSummary);
Train(loaded, ["the early train is never late."], steps: 60, rate: 1e-2);
Console.WriteLine($"with the LoRA: {Continue(loaded.Base, "the early")}");
loaded.Disable();
Console.WriteLine($"without it:    {Continue(loaded.Base, "the early")}");
Directory.Delete(directory, recursive: true);

void Train(PeftModel trained, string[] texts, int steps, double rate)
{
    var examples = texts.Select(text => Ids(text)).Select(ids => new Example(ids, ids)).ToList();
    new Trainer(trained, new TrainerOptions { LearningRate = rate, MaxSteps = steps },
        new DataLoader(examples, new LoaderOptions { BatchSize = examples.Count, PadId = 0 })).Run();
}

string Continue(TransformerModel from, string text)
{
    var answer = new Generator(from, backend).Generate(Ids(text), new GenerationOptions { MaxNewTokens = 40 - text.Length });
    string all = text + string.Concat(answer.Tokens.Select(id => Letters[id]));
    return all[..(all.IndexOf('.', StringComparison.Ordinal) + 1 is > 0 and int end ? end : all.Length)];
}

static int[] Ids(string text) => [.. text.Select(letter => Letters.IndexOf(letter, StringComparison.Ordinal))];

/// <summary>A decoder with learned positions, and an RMS norm before each sublayer.</summary>
internal sealed class LetterDecoder : CausalModel
{
    private readonly Embedding _positions;
    private readonly LetterBlock[] _blocks;

    public LetterDecoder(ConfigReader config)
    {
        HiddenSize = config.Int("hidden_size", min: 1);
        HeadCount = config.Int("num_attention_heads", min: 1);
        LayerCount = config.Int("num_hidden_layers", min: 1);
        MaxLength = config.Int("max_position_embeddings", min: 1);
        int vocabulary = config.Int("vocab_size", min: 1);
        TokenEmbedding = Add("tokens", new Embedding(vocabulary, HiddenSize));
        _positions = Add("positions", new Embedding(MaxLength, HiddenSize));
        var layers = Add("layers", new ModuleList());
        _blocks = [.. Enumerable.Range(0, LayerCount).Select(i => layers.Append(new LetterBlock(i, HiddenSize, HeadDim)))];
        FinalNorm = Add("norm", new RmsNorm(HiddenSize, 1e-6f));
        Head = Add("lm_head", new Linear(HiddenSize, vocabulary));
    }

    public override string ModelType => "letter_decoder";

    public override int HiddenSize { get; }

    public override int HeadCount { get; }

    public override int LayerCount { get; }

    public override int MaxLength { get; }

    public override Embedding TokenEmbedding { get; }

    public override Layer FinalNorm { get; }

    public override Linear Head { get; }

    protected override Tensor AddPositions(Tensor embedded, ModelInputs inputs) => embedded + _positions.Forward(inputs.Positions);

    protected override Tensor Block(int index, Tensor x, ModelInputs inputs) => _blocks[index].Forward(x, inputs);
}

/// <summary>x + attention(norm(x)), then x + feed-forward(norm(x)).</summary>
internal sealed class LetterBlock : Module
{
    private readonly int _index;
    private readonly int _headDim;
    private readonly RmsNorm _attentionNorm;
    private readonly Linear _q;
    private readonly Linear _k;
    private readonly Linear _v;
    private readonly Linear _o;
    private readonly RmsNorm _mlpNorm;
    private readonly Linear _up;
    private readonly Linear _down;

    public LetterBlock(int index, int hidden, int headDim)
    {
        (_index, _headDim) = (index, headDim);
        _attentionNorm = Add("attention_norm", new RmsNorm(hidden, 1e-6f));
        _q = Add("q_proj", new Linear(hidden, hidden));
        _k = Add("k_proj", new Linear(hidden, hidden));
        _v = Add("v_proj", new Linear(hidden, hidden));
        _o = Add("o_proj", new Linear(hidden, hidden));
        _mlpNorm = Add("mlp_norm", new RmsNorm(hidden, 1e-6f));
        _up = Add("up_proj", new Linear(hidden, 4 * hidden, bias: true));
        _down = Add("down_proj", new Linear(4 * hidden, hidden, bias: true));
    }

    public Tensor Forward(Tensor x, ModelInputs inputs) // (B, T, C)
    {
        using var scope = new TensorScope("layers." + Name);
        var h = _attentionNorm.Forward(x);
        var o = inputs.Attend(_index, _q.Forward(h), _k.Forward(h), _v.Forward(h), _headDim, 1 / MathF.Sqrt(_headDim));
        x += _o.Forward(o);
        h = _up.Forward(_mlpNorm.Forward(x));
        return scope.Return(x + _down.Forward(h * h / (1 + h * h))); // A bounded network: h²/(1 + h²).
    }
}
