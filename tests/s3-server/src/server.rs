//! `s3s-fs`, and beside it the one thing that it does not do and a farm needs: the list of uploads in parts that are
//! under way.

use s3s::{S3, S3Request, S3Response, S3Result, dto::*};
use s3s_fs::FileSystem;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

#[derive(Clone)]
pub struct Server {
    files: Arc<FileSystem>,
    /// Key and beginning, by the upload's id.
    under_way: Arc<Mutex<BTreeMap<String, (String, SystemTime)>>>,
}

impl Server {
    pub fn new(folder: &Path) -> Server {
        let files = FileSystem::new(folder).expect("a folder that is there");
        Server { files: Arc::new(files), under_way: Arc::default() }
    }

    pub fn unfinished(&self) -> usize {
        self.under_way().len()
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<String, (String, SystemTime)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl S3 for Server {
    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        self.files.copy_object(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.files.delete_object(request).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.files.get_object(request).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.files.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(request).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.files.put_object(request).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.files.upload_part(request).await
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.files.upload_part_copy(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let key = request.input.key.clone();
        let begun = self.files.create_multipart_upload(request).await?;
        let id = begun.output.upload_id.clone().unwrap_or_default();
        self.under_way().insert(id, (key, SystemTime::now()));
        Ok(begun)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let id = request.input.upload_id.clone();
        if !self.under_way().contains_key(&id) {
            return Err(s3s::s3_error!(NoSuchUpload));
        }
        let done = self.files.complete_multipart_upload(request).await?;
        self.under_way().remove(&id);
        Ok(done)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let id = request.input.upload_id.clone();
        let ended = self.files.abort_multipart_upload(request).await?;
        self.under_way().remove(&id);
        Ok(ended)
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        if !self.under_way().contains_key(&request.input.upload_id) {
            return Err(s3s::s3_error!(NoSuchUpload));
        }
        self.files.list_parts(request).await
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let prefix = request.input.prefix.unwrap_or_default();
        let uploads = self.under_way().iter().filter(|(_, (key, _))| key.starts_with(&prefix)).map(one).collect();
        let (bucket, uploads) = (Some(request.input.bucket), Some(uploads));
        let listed = ListMultipartUploadsOutput { bucket, uploads, is_truncated: Some(false), ..Default::default() };
        Ok(S3Response::new(listed))
    }
}

fn one((id, (key, begun)): (&String, &(String, SystemTime))) -> MultipartUpload {
    MultipartUpload {
        key: Some(key.clone()),
        upload_id: Some(id.clone()),
        initiated: Some(Timestamp::from(*begun)),
        ..Default::default()
    }
}
