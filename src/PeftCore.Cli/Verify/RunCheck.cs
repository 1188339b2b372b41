using System.Globalization;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Cli.Session;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;
using Tensor = PeftCore.Tensors.Tensor;

namespace PeftCore.Cli.Verify;

/// <summary>Checks a training run from given initial values: the loss of every step, and the held-out loss before and after.</summary>
internal sealed class RunCheck(Backend backend, string directory, Expected expected, string? baseModel, Action<string>? warn)
{
    private readonly Tolerances _tolerances = Tolerances.Of(backend);
    private const double UsualLearningRate = 2e-3;
    private const string PictureNumbers = "in.train_index";
    private const string FirstPictures = "in.pixel_values_first";

    // The runs of (IA)³, which do not name theirs either.
    private const double LearningRateOfScales = 1e-2;

    // Rows of an evaluation batch: the whole one would need much memory.
    private const int EvaluatedRows = 64;

    // Pixels are whole grey levels, up to the rounding of float32.
    private const double GreyLevels = 1e-3;

    private RunPictures? _pictures;

    private bool ReadsPictures => expected.Has(PictureNumbers);

    private bool Classifies => ReadsPictures || expected.Has("train_labels");

    public List<Comparison> Run()
    {
        using var scope = new TensorScope();
        var model = new PeftModel(BaseLoading.Load(FixtureInputs.BaseOf(directory, baseModel), backend, null, warn, Classifies
            ? new TaskOptions
            {
                Task = ReadsPictures ? ModelTask.ImageClassification : ModelTask.SequenceClassification,
                Labels = Classes(),
            } : null));
        try
        {
            _pictures = ReadsPictures ? RunPictures.Load(directory, expected.Extent(FirstPictures, 2)) : null;
            foreach (var (path, parameter) in model.Base.NamedParameters().Where(p => expected.Has("base." + p.Path)))
            {
                Fill(parameter, expected.Floats("base." + path)); // The head that the base lacks.
            }
            model.Load(directory, trainable: true);
            foreach (var (name, parameter) in model.Parameters)
            {
                Fill(parameter, expected.Floats("init." + name));
            }
            return Run(model);
        }
        finally
        {
            model.Unload();
            model.Base.Dispose();
        }
    }

    private List<Comparison> Run(PeftModel model)
    {
        var results = new List<Comparison>();
        if (_pictures is not null)
        {
            results.Add(FirstOnes(_pictures));
        }
        results.Add(Evaluated("eval_before", model));
        float[] reference = expected.Floats("losses");
        using var optimizer = new AdamW(model.Parameters);
        double worst = 0;
        double learningRate = expected.Has("learning_rate") ? expected.Floats("learning_rate")[0]
            : model.ConfigOf(PeftModel.DefaultAdapter).PeftType == "IA3" ? LearningRateOfScales : UsualLearningRate;
        for (int step = 0; step < reference.Length; step++)
        {
            float loss = Step(model, step);
            optimizer.Step(learningRate);
            optimizer.FreeGradients();
            double error = Math.Abs(loss - reference[step]) / Math.Abs(reference[step]);
            worst = double.IsNaN(error) ? double.PositiveInfinity : Math.Max(worst, error);
        }
        results.Add(new Comparison("losses", worst, _tolerances.RunLosses, $"{reference.Length} steps, the worst of them"));
        results.Add(Evaluated("eval_after", model));
        return results;
    }

    /// <summary>The pixels of the first pictures.</summary>
    private Comparison FirstOnes(RunPictures pictures)
    {
        const double Level = 2.0 / 255;
        float[] reference = expected.Floats(FirstPictures);
        float[] ours = pictures.Pixels(Enumerable.Range(0, expected.Extent(FirstPictures, 0)));
        double worst = ours.Zip(reference, (a, b) => Math.Abs(a - b)).Max() / Level;
        int changed = ours.Zip(reference, (a, b) => Math.Abs(a - b) > Level / 2).Count(isChanged => isChanged);
        return new Comparison("pixels", worst, GreyLevels, $"grey levels; {changed} of {ours.Length} colours differ");
    }

    private float Step(PeftModel model, int step)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        int rows = expected.Extent(ReadsPictures ? PictureNumbers : Classifies ? "train_input_ids" : "train_batches", 1);
        var loss = Loss(model.Base, "train_", step, rows);
        tape.Backward(loss);
        return loss.Item();
    }

    /// <summary>The loss of the held-out rows; for classes also their accuracy.</summary>
    private Comparison Evaluated(string name, PeftModel model)
    {
        if (!Classifies)
        {
            using var scope = new TensorScope();
            float loss = Tape.NoGrad(() => Loss(model.Base, "eval_", 0, expected.Extent("eval_batch", 0))).Item();
            return new Comparison(name, expected.Error(name, [loss]), _tolerances.RunLosses);
        }
        int rows = _pictures?.TestCount ?? expected.Extent("eval_input_ids", 0), classes = model.Base.Labels.Count;
        int[] labels = _pictures?.Batch(isTest: true, Enumerable.Range(0, rows)).Labels ?? expected.Ints("eval_labels");
        double sum = 0;
        int right = 0;
        for (int first = 0; first < rows; first += EvaluatedRows)
        {
            using var scope = new TensorScope();
            int count = Math.Min(EvaluatedRows, rows - first);
            float[] logits = Tape.NoGrad(() => model.Base.Logits(Inputs(model.Base, "eval_", first, count))).ToFloats();
            for (int row = 0; row < count; row++)
            {
                var scores = logits.AsSpan(row * classes, classes);
                int label = labels[first + row];
                right += TensorPrimitives.IndexOfMax(scores) == label ? 1 : 0;
                float largest = TensorPrimitives.Max(scores);
                double total = 0;
                foreach (float score in scores)
                {
                    total += Math.Exp(score - largest);
                }
                sum += largest + Math.Log(total) - scores[label];
            }
        }
        string note = $"loss and accuracy, {right} of {rows}";
        if (_pictures is null)
        {
            return new Comparison(name, expected.Error(name, [(float)(sum / rows), (float)right / rows]), _tolerances.RunLosses, note);
        }
        float[] reference = expected.Floats(name); // accuracy, loss
        double lossError = Math.Abs(sum / rows - reference[1]) / reference[1];
        bool isEqual = Math.Abs((double)right / rows - reference[0]) < 0.5 / rows;
        return new Comparison(name, isEqual ? lossError : double.PositiveInfinity, _tolerances.RunLosses, note);
    }

    private Tensor Loss(TransformerModel model, string prefix, int batch, int rows)
    {
        if (!Classifies)
        {
            int[] all = expected.Ints(prefix == "train_" ? "train_batches" : "eval_batch");
            int size = prefix == "train_" ? rows * expected.Extent("train_batches", 2) : all.Length;
            var ids = all.AsSpan(batch * size, size);
            return model.Loss(ModelInputs.From(backend, ids, rows), Targets.FromLabels(backend, ids, rows));
        }
        if (_pictures is not null)
        {
            var (inputs, classes) = _pictures.Batch(isTest: false, expected.Ints(PictureNumbers).Skip(batch * rows).Take(rows));
            return model.Loss(model.ToInputs(inputs), model.ToTargets(classes, rows));
        }
        int[] labels = expected.Ints(prefix + "labels").AsSpan(batch * rows, rows).ToArray();
        return model.Loss(Inputs(model, prefix, batch * rows, rows), model.ToTargets(labels, rows));
    }

    private ModelInputs Inputs(TransformerModel model, string prefix, int first, int rows)
    {
        if (_pictures is not null)
        {
            return model.ToInputs(_pictures.Batch(isTest: true, Enumerable.Range(first, rows)).Inputs);
        }
        int[] ids = expected.Ints(prefix + "input_ids");
        int length = expected.Extent(prefix + "input_ids", prefix == "train_" ? 2 : 1);
        return model.ToInputs(new InputArrays
        {
            Ids = ids.AsSpan(first * length, rows * length).ToArray(),
            Mask = expected.Ints(prefix + "attention_mask").AsSpan(first * length, rows * length).ToArray(),
            BatchSize = rows,
        });
    }

    private string[] Classes() => [.. Enumerable.Range(0, expected.Extent("base.classifier.weight", 0)).Select(id => $"LABEL_{id}")];

    private static void Fill(Parameter parameter, float[] values) => parameter.Value.Upload(values);
}
