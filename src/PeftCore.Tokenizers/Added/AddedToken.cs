namespace PeftCore.Tokenizers;

/// <summary>A token that is matched in the text before the model encodes the rest.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Content">Its text.</param>
/// <param name="SingleWord">Whether it matches only where no word character is beside it.</param>
/// <param name="LStrip">Whether it takes the white space before it.</param>
/// <param name="RStrip">Whether it takes the white space after it.</param>
/// <param name="Normalized">Whether it is looked for in the normalized text.</param>
/// <param name="Special">Whether it is left out when decoding for people.</param>
internal sealed record AddedToken(int Id, string Content, bool SingleWord, bool LStrip, bool RStrip, bool Normalized, bool Special);
