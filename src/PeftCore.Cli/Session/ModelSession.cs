using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Cli.Verbs;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Cli.Session;

/// <summary>A loaded model with its device, its tokenizer and optional adapters.</summary>
internal sealed class ModelSession : IDisposable
{
    private readonly TensorScope _scope = new();
    private readonly List<string> _warningsOfPictures = [];
    private bool _toldOfTokenizer;

    private readonly Func<Backend, PeftModel> _load;
    private PeftModel? _model;

    private ModelSession(Backend backend, string directory, DType? dtype, Action<string>? warn, int? rows, TaskOptions? task,
        QuantizationOptions? quantization)
    {
        (Backend, Directory, Task) = (backend, directory, task);
        Declared = Declare();
        Rows = rows ?? Declared.VocabularySize;
        _load = on =>
        {
            var model = new PeftModel(BaseLoading.Load(directory, on, dtype, on == backend ? warn : null, Task, quantization));
            if (rows is { } count)
            {
                model.ResizeTokenEmbeddings(count);
            }
            return model;
        };
    }

    public Backend Backend { get; }

    public string Directory { get; }

    /// <summary>The model as its configuration declares it, without weights.</summary>
    public TransformerModel Declared { get; private set; }

    /// <summary>The task the model is loaded for; null for that of its architecture.</summary>
    public TaskOptions? Task { get; private set; }

    /// <summary>Whether the model gets a new head whose classes the data decide.</summary>
    public bool LacksLabels => Task is { Task: { } task, Labels: null } && TaskChoice.HasLabels(task)
        && ModelLoader.Declare(ModelDirectory.Open(Directory).OpenConfig()).Task != task && Declared.Labels.Count > 1;

    /// <summary>The model; its weights are loaded at the first use.</summary>
    public PeftModel Model => _model ??= _load(Backend);

    public Tokenizer Tokenizer => field ??= TokenizerOf(Directory, Rows);

    /// <summary>Whether the model reads recordings.</summary>
    public bool HearsSpeech => Declared.Task is ModelTask.Ctc or ModelTask.SpeechToText;

    /// <summary>Reads recordings for the model.</summary>
    public SoundReader Sound => field ??= SoundReader.Open(Declared, Directory, WavFile.Read);

    /// <summary>Whether the model reads pictures, or pages of words with boxes.</summary>
    public bool ReadsPictures => Declared.Task is ModelTask.ImageClassification or ModelTask.Contrastive or ModelTask.NoisePrediction
        || Declared.ModelType is "layoutlm" or "layoutlmv3";

    /// <summary>Whether the model reads text.</summary>
    public bool ReadsText => Declared.Task is not (ModelTask.ImageClassification or ModelTask.NoisePrediction);

    /// <summary>The endings of files that the model reads; none for models of text.</summary>
    public IReadOnlyList<string> MediaEndings => HearsSpeech ? WavFile.Endings
        : Declared.Task == ModelTask.NoisePrediction ? [.. PictureFile.Endings, ".safetensors"]
        : ReadsPictures ? PictureFile.Endings : [];

    /// <summary>Reads pictures for the model.</summary>
    public PictureReader Pictures => field ??= PictureReader.Open(Declared, Directory, PictureFile.Read, _warningsOfPictures);

    /// <summary>Number of rows of the token tables.</summary>
    private int Rows { get; }

    /// <summary>Opens a model directory and loads the model.</summary>
    /// <param name="backend">The device; the session disposes it.</param>
    /// <param name="directory">The model directory.</param>
    /// <param name="dtype">Dtype of the weights; null to keep that of the file.</param>
    /// <param name="warn">Receives a sentence for each contradiction in the files.</param>
    /// <param name="rows">Number of rows of the token tables; null for that of the file.</param>
    /// <param name="task">The task; null for that of the architecture.</param>
    /// <param name="quantization">How linear layers are quantised while they are loaded; null for as they are stored.</param>
    public static ModelSession Open(Backend backend, string? directory, DType? dtype = null, Action<string>? warn = null, int? rows = null,
        TaskOptions? task = null, QuantizationOptions? quantization = null)
    {
        var session = OpenUnloaded(backend, directory, dtype, warn, rows, task, quantization);
        try
        {
            _ = session.Model;
            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Opens a model directory; the weights are loaded at the first use, so that memory can be planned before.</summary>
    /// <inheritdoc cref="Open"/>
    public static ModelSession OpenUnloaded(Backend backend, string? directory, DType? dtype = null, Action<string>? warn = null,
        int? rows = null, TaskOptions? task = null, QuantizationOptions? quantization = null)
    {
        try
        {
            return new ModelSession(backend, directory
                ?? throw new BadInputException("expected --model DIR, the directory of the base model."), dtype, warn, rows, task,
                    quantization);
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <summary>Gives a new head its classes, before the weights are loaded.</summary>
    /// <param name="labels">The classes.</param>
    /// <param name="problem">What the head learns, if no flag says it.</param>
    /// <param name="seed">Seed of the head's weights, if no flag asks for a task.</param>
    public void SetLabels(IReadOnlyList<string> labels, string? problem, ulong seed = 0)
    {
        Task = (Task ?? new TaskOptions { Task = Declared.Task, Seed = seed }).WithLabels(labels, problem);
        Declared = Declare();
    }

    /// <summary>Refuses a model that reads no recordings, before its weights are loaded.</summary>
    public ModelSession RequireSpeech()
    {
        if (HearsSpeech)
        {
            return this;
        }
        Dispose();
        throw new BadInputException($"{Directory}: this {Declared.ModelType} model is for {TaskNames.Of(Declared.Task)} and hears no " +
            "recordings; leave --audio out, or choose Whisper or wav2vec 2.0.");
    }

    /// <summary>Refuses a model that classifies no pictures, before its weights are loaded.</summary>
    /// <param name="byTexts">Whether the classes are given as texts.</param>
    public ModelSession RequirePictures(bool byTexts)
    {
        if (Declared.Task == (byTexts ? ModelTask.Contrastive : ModelTask.ImageClassification))
        {
            return this;
        }
        Dispose();
        throw new BadInputException($"{Directory}: this {Declared.ModelType} model is for {TaskNames.Of(Declared.Task)} and " +
            (Declared.Task == ModelTask.Contrastive ? "has no classes of its own; give --labels, texts that say what the picture may show."
            : Declared.Task == ModelTask.ImageClassification ? "classifies pictures by its own classes; leave --labels out."
            : "classifies no pictures; leave --image out, or choose ViT, DINOv2 or CLIP."));
    }

    /// <summary>Refuses a model that tags no words, before its weights are loaded.</summary>
    public ModelSession RequireTags()
    {
        if (Declared.Task == ModelTask.TokenClassification)
        {
            return this;
        }
        Dispose();
        throw new BadInputException($"{Directory}: this {Declared.ModelType} model is for {TaskNames.Of(Declared.Task)} and tags no " +
            "words; leave --page out, or train the model with --task token-cls.");
    }

    /// <summary>Refuses a model that draws no pictures, before its weights are loaded.</summary>
    public ModelSession RequireDrawing()
    {
        if (Declared.Task == ModelTask.NoisePrediction)
        {
            return this;
        }
        Dispose();
        throw new BadInputException($"{Directory}: this {Declared.ModelType} model is for {TaskNames.Of(Declared.Task)} and draws no " +
            "pictures; leave --output-dir out, or choose a UNet.");
    }

    /// <summary>Refuses a model that does not generate text, before its weights are loaded.</summary>
    public ModelSession RequireText()
    {
        if (Declared.Task is ModelTask.CausalLm or ModelTask.Seq2SeqLm)
        {
            return this;
        }
        Dispose();
        throw new BadInputException(HearsSpeech ? "expected --audio FILE, the recording to transcribe."
            : Declared.Task == ModelTask.ImageClassification ? "expected --image FILE, the picture to classify."
            : Declared.Task == ModelTask.Contrastive ? "expected --image FILE, a picture, and --labels, texts to compare it with."
            : Declared.Task == ModelTask.TokenClassification ? "expected --page FILE, the words to tag."
            : Declared.Task == ModelTask.NoisePrediction ? "expected --output-dir DIR, where the pictures go that the model draws."
            : $"{Directory}: this {Declared.ModelType} model is for {TaskNames.Of(Declared.Task)} and writes no " +
            "text; measure it with peftcore eval, or choose a decoder or an encoder-decoder.");
    }

    /// <summary>Keeps the weights of blocks that do not fit within --max-memory off the device, before the weights are loaded.</summary>
    /// <param name="plan">The limits.</param>
    /// <param name="adapters">The adapters of the run.</param>
    /// <param name="passes">Runs the largest passes.</param>
    /// <param name="refuses">Whether a run that does not fit is refused.</param>
    public ModelSession Within(PassPlan plan, IReadOnlyList<string> adapters, Action<PeftModel, Backend> passes, bool refuses)
    {
        try
        {
            plan.Apply(Backend, on =>
            {
                var model = _load(on);
                model.LoadAll(adapters, null);
                return model;
            }, passes, refuses);
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Attaches saved adapters; all of them are active.</summary>
    public ModelSession WithAdapters(IReadOnlyList<string> directories, Invocation call)
    {
        Model.LoadAll(directories, call.Terminal.Note);
        return this;
    }

    /// <summary>Warns once of contradictions between the tokenizer's files.</summary>
    /// <param name="call">Receives the warning.</param>
    /// <param name="generates">Whether texts are generated, which need a stop token.</param>
    public void TellOfTokenizer(Invocation call, bool generates = false)
    {
        if (_toldOfTokenizer || !ReadsText)
        {
            return;
        }
        _toldOfTokenizer = true;
        foreach (string warning in Tokenizer.Warnings)
        {
            call.Terminal.Note(warning);
        }
        if (generates && Tokenizer.StopIds.Count == 0)
        {
            call.Terminal.Note(
                $"{Directory}: no end-of-text token is known, so only the length ends a text; name eos_token in tokenizer_config.json, " +
                "or eos_token_id in config.json.");
        }
    }

    /// <summary>Warns once of files that a diffusion model lacks.</summary>
    public void TellOfPictures(Invocation call)
    {
        _warningsOfPictures.ForEach(call.Terminal.Note);
        _warningsOfPictures.Clear();
    }

    /// <summary>The error for a task that no adapter has.</summary>
    public string? TaskNote(SamplingOptions options) =>
        options.Given.PlaceOf("task-id") is { } place
        && !Model.ActiveAdapters.Any(name => Model.ConfigOf(name) is MultitaskPromptTuningConfig)
            ? $"{place} has no effect: none of the adapters has several tasks." : null;

    public void Dispose()
    {
        _model?.Unload();
        _model?.Base.Dispose();
        _scope.Dispose();
        Backend.Dispose();
    }

    private TransformerModel Declare() => ModelLoader.Declare(ModelDirectory.Open(Directory).OpenConfig(), task: Task);

    private static Tokenizer TokenizerOf(string directory, int rows)
    {
        if (ModelDirectory.Open(directory).TokenizerPath is null && !File.Exists(Path.Combine(directory, "vocab.json")))
        {
            throw new BadInputException(
                $"{directory}: there is no tokenizer.json; copy it from the model's repository, or convert the tokenizer with Hugging " +
                "Face tokenizers.");
        }
        var tokenizer = ModelDirectory.OpenTokenizer(directory);
        return tokenizer.LargestId < rows ? tokenizer : throw new BadInputException(
            $"{directory}: the tokenizer has ids up to {tokenizer.LargestId}, but the model's vocabulary has {rows} " +
            "tokens; they do not belong together.");
    }
}
