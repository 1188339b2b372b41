namespace PeftCore.Data;

/// <summary>A file, such as a recording or a picture, and its text or its class: {"file_name", "text"} or {"file_name", "label"}.</summary>
/// <param name="Place">File and line of the row, for error messages.</param>
/// <param name="File">The path of the file; relative paths start at the directory of the file that holds the row.</param>
/// <param name="Text">What is said, or what a picture shows; null without one.</param>
/// <param name="Label">The name of the class; null without one.</param>
internal sealed record MediaRow(RowPlace Place, string File, string? Text, string? Label) : DataRow(Place)
{
    /// <summary>Names of the field with the path.</summary>
    public static readonly string[] PathFields = ["file_name", "audio", "image"];

    /// <summary>Creates a row from the fields of a file.</summary>
    public static MediaRow Of(RowPlace place, string path, string? text, string? label) => path.Length > 0
        ? new(place, Path.Combine(Path.GetDirectoryName(place.File) ?? "", path), text, label)
        : throw place.Error("the path of the file is empty");

    /// <summary>Refuses a file of a directory that gives it neither a class nor a text.</summary>
    public MediaRow RequireWords() => Text is not null || Label is not null ? this : throw new BadInputException(
        $"{Place.File}: its files, such as {Path.GetFileName(File)}, have neither a class nor a text; put them into one directory for each " +
        "class, or add a metadata.csv with the columns file_name and text.");

    /// <summary>The text, or the name of the class where there is no text.</summary>
    public string Words => Text ?? Label ?? "";
}
