using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Data;

/// <summary>Encodes pictures, or files of latents, for the training of a diffusion model: each time a sample is drawn it has other noise,
/// and beside it stand the hidden states of its text, and its class if the model reads one. Where the model
/// reads none, a class stands for the text where there is none.</summary>
internal sealed class NoiseEncoder(EncodeOptions options, EncodeReport report)
{
    /// <param name="rows">Rows with the path of a picture or of latents.</param>
    /// <exception cref="BadInputException">A row has no file, or a file is bad; the message names it.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows)
    {
        var reader = options.Pictures ?? throw new ArgumentException("The options have no reader of pictures.");
        var setup = reader.Noise ?? throw new ArgumentException("The options have a reader of pictures for another model.");
        MediaRow[] pictures = [.. rows.Select(row => row as MediaRow ?? throw row.Place.Error(
            $"the row has {RowForm.NameOf(row)}, expected {{\"image\", \"text\"}}, a picture and what it shows"))];
        var classes = setup.Classes;
        string TextOf(MediaRow picture) => classes is null ? picture.Words : picture.Text ?? "";
        var statesOf = setup.StatesOf(pictures.Select(TextOf));
        var examples = new List<Example>(rows.Count);
        var bad = new BadFiles(options.SkipBadFiles);
        foreach (var picture in pictures)
        {
            report.Rows++;
            if (bad.Read(() => Read(reader, picture.File)) is not { } sample)
            {
                continue;
            }
            var states = sample.States ?? statesOf(TextOf(picture));
            CheckShape(examples, picture, sample.Picture.Shape, states.Shape);
            var pixels = new NoisedPicture(sample.Picture, setup.Schedule);
            examples.Add(Example.Unlabelled([]) with
            {
                Pixels = pixels,
                EncoderStates = states,
                Classes = classes is null ? null : sample.Class ?? ClassOf(picture, classes),
                TaskId = picture.TaskId,
            });
        }
        report.BadFiles = bad.Warning(rows.Count);
        return report.Finish(rows, examples);
    }

    private static Sample Read(PictureReader reader, string file)
    {
        if (!file.EndsWith(PictureReader.LatentsEnding, StringComparison.OrdinalIgnoreCase))
        {
            return new Sample(reader.SourceOf(file), null, null);
        }
        var (latents, states, vector) = reader.Noise!.ReadLatents(file);
        return new Sample(latents, states, vector);
    }

    /// <summary>The number of a picture's class.</summary>
    private static DenseValues ClassOf(MediaRow picture, ClassInput classes)
    {
        if (!classes.IsNumber)
        {
            throw new BadInputException($"{picture.File}: this model reads a vector of {classes.Size} numbers for the class of a picture; store "
                + $"latents as {PictureReader.LatentsEnding} files with a tensor \"class_labels\".");
        }
        string range = $"a number from 0 to {classes.Size - 1}";
        string label = picture.Label ?? throw picture.Place.Error(
            $"the picture has no class, but this model reads one, {range}; put pictures into directories named so, or add a column \"label\"");
        return NumberText.TryDigits(label, out int number) && number < classes.Size ? new DenseValues([number], [1])
            : throw picture.Place.Error(
                $"the class is \"{label}\", expected {range}; rename it, or number the classes with --label-names \"{label}=0,…\"");
    }

    /// <summary>Refuses samples that do not fit into one batch.</summary>
    private static void CheckShape(List<Example> examples, MediaRow picture, Shape pixels, Shape states)
    {
        if (examples is not [{ Pixels: { } first, EncoderStates: { } text }, ..] || (first.Shape == pixels && text.Shape == states))
        {
            return;
        }
        throw new BadInputException(first.Shape != pixels
            ? $"{picture.File}: the shape is {pixels}, but that of the first sample is {first.Shape}; all must be equal."
            : $"{picture.File}: the states of its text are {states}, but those of the first sample are {text.Shape}; all must be equal.");
    }

    private sealed record Sample(DenseSource Picture, DenseValues? States, DenseValues? Class);
}
